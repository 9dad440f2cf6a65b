"""Traps of Slurm's programs (docs/slurm-traps.md) that no other test would notice if we fell for them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from jobwarden.sources.base import Absent, Seen, Wanted
from jobwarden.sources.errors import UnreadableAnswerError
from jobwarden.sources.slurm import commands
from jobwarden.sources.slurm.answers import read_queue
from jobwarden.sources.slurm.source import SlurmSource
from jobwarden.transport.base import Completed
from jobwarden.transport.framing import frame_for
from jobwarden.transport.quoting import COMMAND_MOST_BYTES, encode_words
from support.slurm_fake import NOW, FakeSlurm, account_row, host, queue_row

NONCE = "jw0123456789abcdef"


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@dataclass
class Weighed(FakeSlurm):
    """Keeps how long each command line is, as the transport would send it."""

    bytes_: list[int] = field(default_factory=list[int])

    async def run(self, argv: Sequence[str], *, timeout_s: float, stdin: bytes = b"") -> Completed:
        line = frame_for(timeout_s).line(encode_words(argv), prelude="", report=True)
        self.bytes_.append(len(line))
        return await super().run(argv, timeout_s=timeout_s, stdin=stdin)


def all_questions() -> list[str]:
    return [
        words[2]
        for words in (
            commands.look_argv(NONCE, cluster="", limit_s=5),
            commands.detail_argv(NONCE, account=[5], show=["5"], cluster="", limit_s=5),
            commands.by_id_argv(NONCE, ids=[5], show=[5], nodes=["c1"], cluster="", limit_s=5),
            commands.cancel_argv(NONCE, ids=["5"], cluster="", limit_s=5),
        )
    ]


def asked_with(program: str) -> list[str]:
    """Give the words with which a program is really run."""
    lines = (line.strip() for text in all_questions() for line in text.splitlines())
    return [found[1] for line in lines if (found := re.search(rf"\b{program} (-\S.*)", line))]


def test_accounting_is_asked_by_ids_with_every_run_and_never_for_a_window_of_time() -> None:
    (words,) = set(asked_with("sacct"))
    assert {"-X", "-D", "-P", "-j"} <= set(words.split())
    assert not {"-S", "-E", "-s", "-u", "-a", "--starttime", "--state", "--allusers"} & set(words.split())


def test_nothing_is_ever_asked_for_as_json() -> None:
    for text in all_questions():
        assert "--json" not in text
        assert "--yaml" not in text


def test_hidden_partitions_and_ended_jobs_are_in_every_question_to_squeue() -> None:
    questions = asked_with("squeue")
    assert len(questions) == 2
    assert all({"-h", "-a", "-t", "all"} <= set(words.rstrip(";").split()) for words in questions)


async def test_twenty_thousand_ids_are_asked_about_once_each_in_lines_that_a_shell_takes() -> None:
    slurm = Weighed()
    ids = [str(10_000_000 + index) for index in range(20_000)]
    seen = await SlurmSource(clock=lambda: NOW).observe(host(slurm), [Wanted(id=one, log_known=True) for one in ids])
    assert all(isinstance(one, Absent) for one in seen.values())
    assert max(slurm.bytes_) < COMMAND_MOST_BYTES / 2
    asked = Counter(one for words in slurm.asked for word in words for one in re.findall(r"\b1\d{7}\b", word))
    assert set(asked) == set(ids)
    assert set(asked.values()) == {2}  # of sacct, and of squeue by id


async def test_a_reason_in_whole_sentences_and_with_bars_breaks_no_record() -> None:
    reason = "Nodes required for job are DOWN, DRAINED or reserved for jobs in higher priority partitions|x, y"
    slurm = FakeSlurm(queue=[queue_row("7", "PENDING", reason=reason), queue_row("8", "RUNNING")])
    seen = await SlurmSource(clock=lambda: NOW).observe(host(slurm), [Wanted(id="7"), Wanted(id="8")])
    waiting, running = seen["7"], seen["8"]
    assert isinstance(waiting, Seen)
    assert isinstance(running, Seen)
    assert (waiting.status, waiting.reason, running.status) == ("PENDING", reason, "RUNNING")


def test_a_record_that_is_cut_within_its_name_is_torn() -> None:
    whole = f"{NONCE}|7|7|1001|alice|RUNNING|1|1|1|normal|c1|c1{NONCE}None{NONCE}/h{NONCE}training\n".encode()
    assert read_queue(whole, NONCE)[0].name == "training"
    for cut in range(1, len("training\n") + 1):
        with pytest.raises(UnreadableAnswerError):
            read_queue(whole[:-cut], NONCE)


async def test_an_exit_code_of_accounting_alone_is_said_to_lack_128_at_times() -> None:
    """`exit 200` and `exit 72` are both 72:0 there, and nothing else tells of them any more."""
    slurm = FakeSlurm(account=[account_row("7", "FAILED", code="72:0")])
    seen = (await SlurmSource(clock=lambda: NOW).observe(host(slurm), [Wanted(id="7")]))["7"]
    assert isinstance(seen, Seen)
    assert seen.exit_code == 72
    assert "subtracts 128" in seen.evidence.rule
