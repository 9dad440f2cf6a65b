"""When a rule fires. No log, no clock: what a look shows is made here."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobwarden.config.clocks import Clocks
from jobwarden.rules.building import read_rules
from jobwarden.rules.engine import MOST_A_MINUTE, MOST_FAILURES, step, wait_s
from jobwarden.rules.lines import LINE_BYTES, lines_of, whole_bytes
from jobwarden.rules.reading import read_aside, read_on
from jobwarden.rules.sight import Look, Outcome, Text
from jobwarden.rules.state import Fired, JobRules, Place
from jobwarden.transport.local import LocalTransport
from jobwarden_registry.model import Attempt, JobRecord
from jobwarden_registry.phases import Phase

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
JOB = JobRecord(type="slurm", id="7", uid="u", phase=Phase.RUNNING, last_status="RUNNING", started_at=NOW)
LOSS = r'name=loss pattern="epoch (?P<epoch>\d+) loss: (\S+)" captures=[step, loss] condition="float(loss) > 5"'


class Rig:
    """Rules of one job, and what happens to it."""

    def __init__(self, *texts: str) -> None:
        self.rules = read_rules(texts)
        self.state = JobRules()
        self.now = NOW
        self.job = JOB

    def look(self, *lines: str, after_s: float = 0.0, stream: str = "stdout", **more: object) -> tuple[Fired, ...]:
        return self.outcome(*lines, after_s=after_s, stream=stream, **more).fired

    def outcome(self, *lines: str, after_s: float = 0.0, stream: str = "stdout", **more: object) -> Outcome:
        self.now += timedelta(seconds=after_s)
        texts = [Text((stream,), "\n".join(lines).encode())] if lines else []
        grew = frozenset([stream]) if lines else frozenset[str]()
        look = Look(self.job, self.now, **{"texts": texts, "grew": grew, **more})  # type: ignore[arg-type]  # each test gives the field's own type
        outcome = step(self.rules, self.state, look)
        self.state = outcome.state
        return outcome


def test_a_rule_fires_for_the_line_that_its_condition_holds_for_with_its_captures() -> None:
    rig = Rig(LOSS)
    [fired] = rig.look("epoch 1 loss: 2.5", "epoch 2 loss: 7.5", "nothing", "epoch 3 loss: 1")
    assert fired.line == "epoch 2 loss: 7.5"
    assert fired.captures == {"0": "epoch 2 loss: 7.5", "1": "2", "2": "7.5", "epoch": "2", "step": "2", "loss": "7.5"}
    assert (fired.id, fired.stream, fired.at) == ("u:loss:1", "stdout", NOW)
    assert (rig.state.of("loss").matches, rig.state.of("loss").fired) == (3, 1)
    assert rig.state.pending == (fired,)


def test_each_firing_of_a_job_has_a_number_of_its_own() -> None:
    rig = Rig("name=a pattern=x", "name=b pattern=y")
    assert [one.id for one in rig.look("x y", "x")] == ["u:a:1", "u:a:2", "u:b:3"]
    assert [one.id for one in rig.look("y")] == ["u:b:4"]


def test_a_rule_fires_no_more_often_than_it_may() -> None:
    rig = Rig("pattern=x max_triggers=2")
    assert len(rig.look("x")) + len(rig.look("x", "x")) + len(rig.look("x")) == 2
    assert rig.state.of("rule-1").matches == 4


def test_after_it_has_fired_a_rule_is_left_alone_for_its_cooldown() -> None:
    rig = Rig("pattern=x cooldown=10m")
    assert len(rig.look("x", "x")) == 1
    assert not rig.look("x", after_s=599)
    assert len(rig.look("x", after_s=1)) == 1


def test_a_rule_that_matches_every_line_does_not_flood_the_journal() -> None:
    rig = Rig("pattern=x")
    assert len(rig.look(*["x"] * 100)) == MOST_A_MINUTE
    assert not rig.look("x", after_s=59)
    assert len(rig.look(*["x"] * 100, after_s=1)) == MOST_A_MINUTE
    assert rig.state.of("rule-1").matches == 201


def test_a_rule_reads_the_streams_that_it_names() -> None:
    rig = Rig("name=out pattern=x", "name=err pattern=x output_type=stderr", "name=both pattern=x output_type=both")
    assert [one.rule for one in rig.look("x", stream="stdout")] == ["out", "both"]
    assert [one.rule for one in rig.look("x", stream="stderr")] == ["err", "both"]
    merged = [Text(("stdout", "stderr"), b"x")]
    assert [one.rule for one in rig.look(texts=merged)] == ["out", "err", "both"]


def test_bytes_that_are_no_text_hide_no_line() -> None:
    rig = Rig('pattern="^a.*loss: ([0-9])$"')
    [fired] = rig.look(texts=[Text(("stdout",), lines_of(b"\xff\xfe\na \xff\xc3 loss: 9\n"))])
    assert fired.captures["1"] == "9"


def test_a_paused_rule_lets_lines_pass() -> None:
    rig = Rig("pattern=x")
    rig.state = rig.state.with_rule("rule-1", rig.state.of("rule-1").model_copy(update={"paused": True}))
    assert not rig.look("x")
    assert rig.state.of("rule-1").matches == 0


def test_a_rule_is_disabled_after_five_failures_in_a_row_and_that_is_said_once() -> None:
    rig = Rig(LOSS, "name=other pattern=epoch")
    said = [rig.outcome("epoch 1 loss: n/a").said for _ in range(MOST_FAILURES + 3)]
    assert [list(one) for one in said] == [[]] * (MOST_FAILURES - 1) + [["loss"]] + [[]] * 3
    assert "n/a" in said[MOST_FAILURES - 1]["loss"]
    assert not rig.look("epoch 1 loss: 99")[:0]
    assert rig.state.of("loss").fired == 0
    assert rig.state.of("other").disabled is None


def test_failures_that_are_not_in_a_row_disable_nothing() -> None:
    """A rule that works is not disabled after days because of five failures in all."""
    rig = Rig(LOSS)
    for _ in range(20):
        rig.look("epoch 1 loss: n/a")
        rig.look("epoch 1 loss: 1")
    assert rig.state.of("loss").disabled is None
    for _ in range(4):
        rig.look("epoch 1 loss: n/a")
        rig.look("not a match")  # nothing to look at is no failure, and no end of a row
    assert rig.state.of("loss").failures in (0, 4)
    assert rig.state.of("loss").disabled is None


def test_a_log_that_may_not_be_read_is_a_failure_and_a_host_that_does_not_answer_is_none() -> None:
    rig = Rig("pattern=x")
    for _ in range(20):
        rig.look(unread={"stdout": "no answer"})
    assert rig.state.of("rule-1").failures == 0
    for _ in range(MOST_FAILURES):
        rig.look(refused={"stdout": "a link to another file"})
    assert "another file" in (rig.state.of("rule-1").disabled or "")


def test_nothing_matching_is_looked_at_more_and_more_rarely() -> None:
    rig = Rig("pattern=x interval=60")
    [rule] = rig.rules
    waits: list[float] = []
    for _ in range(30):
        waits.append(wait_s(rule, rig.state.of("rule-1"), least_s=5))
        rig.look("y")
    assert waits[:2] == [60, pytest.approx(66)]
    assert waits == sorted(waits)
    assert waits[-1] == 300
    rig.look("x")
    assert wait_s(rule, rig.state.of("rule-1"), least_s=5) == 60


def test_a_look_that_shows_nothing_new_changes_nothing_that_is_kept() -> None:
    """What is remembered was written anew for each job and look for ever."""
    rig = Rig("pattern=x", "pattern=x at_end=true", "time=1h", "silence=10m")
    rig.look("y")
    before = rig.state
    for _ in range(3):
        rig.look(after_s=1)
    assert rig.state == before
    for _ in range(60):
        rig.look("y")
    assert rig.state.of("rule-1").quiet == 50


def test_a_rule_for_the_end_fires_once_with_the_last_line_that_matched() -> None:
    rig = Rig('pattern="score ([0-9]+)" at_end=true')
    assert not rig.look("score 1", "score 2")
    assert not rig.look("score 3")
    rig.job = rig.job.changed(phase=Phase.SUCCEEDED)
    [fired] = rig.look("bye", last=True)
    assert fired.captures["1"] == "3"


def test_silence_is_told_once_until_something_is_written() -> None:
    rig = Rig("silence=10m")
    rig.look("x")
    assert not rig.look(after_s=599)
    [fired] = rig.look(after_s=1)
    assert "10 min" in fired.line
    assert not rig.look(after_s=6000)
    assert not rig.look(grew=frozenset(["stdout"]), after_s=1)  # half a line is output, too
    assert rig.look(after_s=600)


@pytest.mark.parametrize("phase", [Phase.PENDING, Phase.SUSPENDED, Phase.SUCCEEDED])
def test_a_job_that_does_not_run_is_not_silent(phase: Phase) -> None:
    rig = Rig("silence=10m", 'standstill=10m pattern="step ([0-9]+)"')
    rig.look("step 1")
    rig.job = rig.job.changed(phase=phase)
    assert not rig.look(after_s=6000)


def test_a_log_that_could_not_be_read_is_not_silent() -> None:
    rig = Rig("silence=10m")
    rig.look("x")
    assert not rig.look(after_s=6000, unread={"stdout": "no answer"})
    assert not rig.look(after_s=1)


def test_a_silence_may_be_that_of_certain_lines() -> None:
    rig = Rig("silence=10m pattern=alive")
    rig.look("alive")
    assert rig.look("other", after_s=600)


def test_a_counter_that_stands_still_is_told_once_while_lines_go_on() -> None:
    rig = Rig('standstill=30m pattern="step ([0-9]+)" captures=[step]')
    assert not rig.look("loading", after_s=86400)
    rig.look("step 5")
    assert not rig.look("step 5", after_s=1799)
    [fired] = rig.look("step 5", after_s=1)
    assert fired.captures["step"] == "5"
    assert "30 min" in fired.line
    assert not rig.look("step 5", after_s=9000)
    assert not rig.look("step 6", after_s=1)
    assert rig.look("step 6", after_s=1800)


def test_no_state_is_missed_that_the_job_has_gone_through_between_two_looks() -> None:
    rig = Rig("name=run state=running", "name=any state=any", "name=time state=[TIMEOUT]", "name=end at_end=true")
    words = [(Phase.RUNNING, "RUNNING"), (Phase.FAILED, "TIMEOUT")]
    rig.job = rig.job.changed(phase=Phase.FAILED, last_status="TIMEOUT")
    fired = rig.look(words=words, last=True)
    assert [one.rule for one in fired] == ["run", "any", "any", "time", "end"]


def test_each_firing_says_of_which_run_it_is() -> None:
    rig = Rig("name=any state=any", "name=hit pattern=x", 'name=stands standstill=10m pattern="step ([0-9]+)"')
    rig.job = rig.job.changed(attempts=(Attempt(id="6"), Attempt(id="7")), resubmitted_as="7")
    words = [(Phase.FAILED, "TIMEOUT"), (Phase.RUNNING, "RUNNING")]
    texts = [Text(("stdout",), b"x\nstep 1", "6", 1), Text(("stdout",), b"x\nstep 2")]
    fired = rig.look(texts=texts, words=words, words_before=1)
    assert [(one.rule, one.run, one.runs) for one in fired] == [
        ("any", "6", 1), ("any", "7", 2), ("hit", "6", 1), ("hit", "7", 2),
    ]  # fmt: skip
    assert rig.state.of("stands").value == "2"
    rig.look(after_s=590)
    rig.job = rig.job.changed(attempts=(*rig.job.attempts, Attempt(id="7")))
    assert not rig.look(after_s=20, texts=[Text(("stdout",), b"step 3", "7", 2)])
    assert rig.state.of("stands").value is None


def test_a_time_is_told_once_in_a_run_or_as_often_as_was_asked() -> None:
    rig = Rig("name=once time=1h", "name=thrice time=1h max_triggers=3")
    told = [one.rule for _ in range(10) for one in rig.look(after_s=1800)]
    assert (told.count("once"), told.count("thrice")) == (1, 3)
    rig.job = rig.job.changed(started_at=rig.now)
    assert [one.rule for one in rig.look(after_s=3600)] == ["once"]


def test_a_missing_file_is_told_once_and_only_when_it_is_known_to_be_missing() -> None:
    rig = Rig("name=late missing_file=/a within=10m", "name=end missing_file=/b")
    assert not rig.look(after_s=599, missing={"/a": True, "/b": True})
    assert not rig.look(after_s=1)
    assert [one.rule for one in rig.look(missing={"/a": True, "/b": True})] == ["late"]
    assert not rig.look(missing={"/a": True})
    assert [one.rule for one in rig.look(missing={"/b": True}, last=True)] == ["end"]


def test_a_failed_completion_check_is_told_at_the_end() -> None:
    rig = Rig("check_failed=true")
    rig.job = rig.job.changed(phase=Phase.FAILED, reason="OOM")
    assert not rig.look(last=True)
    rig.job = rig.job.changed(reason="COMPLETED, but expected output is missing: a.pt")
    assert len(rig.look(last=True)) == 1


# -- whatever the cuts

PIECES = [
    b"loss: 9\n",
    b"loss: 1\n",
    b"\n",
    b"\r",
    b"loss: 8\r",
    b"x" * 50,
    b"\x1b[31mloss: 7\x1b[0m\n",
    b"\xff\xfe",
    b"loss:",
]
HIT = 'name=hit pattern="loss: ([0-9])" condition="int($1) > 5" max_triggers=7'


def _fired(chunks: Sequence[bytes]) -> list[tuple[str, str, str]]:
    rig, rest, found = Rig(HIT, "name=all pattern=l.*s"), b"", list[Fired]()
    for number, chunk in enumerate([*chunks, b""]):
        data = rest + chunk
        last = number == len(chunks)
        used = len(data) if last else whole_bytes(data)
        rest = data[used:]
        found += rig.look(texts=[Text(("stdout",), lines_of(data[:used]))] if used else [], last=last)
    return sorted((one.rule, one.line, one.captures["0"]) for one in found)


@given(st.lists(st.sampled_from(PIECES), max_size=20), st.lists(st.integers(0, 400), max_size=12))
@settings(max_examples=200, deadline=None)
def test_the_same_fires_however_a_log_is_cut(pieces: list[bytes], cuts: list[int]) -> None:
    data = b"".join(pieces)
    places = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    chunks = [data[start:end] for start, end in pairwise(places)]
    assert _fired(chunks) == _fired([data])


@pytest.mark.parametrize("size", [LINE_BYTES - 7, LINE_BYTES, LINE_BYTES + 3, 3 * LINE_BYTES + 1])
def test_a_line_without_end_is_cut_at_the_same_places_however_it_comes(size: int) -> None:
    data = b"a" * size + b"loss: 9" + b"b" * size + b"\nloss: 8\n"
    whole = lines_of(data)
    for cut in (1, 1000, LINE_BYTES - 1, LINE_BYTES, LINE_BYTES + 1, size + 3, len(data) - 2):
        parts, rest = list[bytes](), b""
        for chunk in (data[:cut], data[cut:]):
            text = rest + chunk
            used = whole_bytes(text)
            parts.append(lines_of(text[:used]))
            rest = text[used:]
        assert b"\n".join(part for part in parts if part) == whole


async def test_a_growing_file_is_read_on_from_where_it_was_whole_lines_alone(tmp_path: Path) -> None:
    log, transport = tmp_path / "log", LocalTransport("localhost", env={}, clocks=Clocks())
    place, lines = Place(host="localhost", path=str(log)), list[bytes]()
    assert (await read_on(transport, place, last=False)).missing
    data = b"one\ntwo\nthree\nfour"
    for end in range(1, len(data) + 1):
        log.write_bytes(data[:end])
        read = await read_on(transport, place, last=False)
        assert read.grew
        place = Place.model_validate_json(read.place.model_dump_json())
        lines += [part for part in read.parts if part]
    assert lines == [b"one", b"two", b"three"]
    read = await read_on(transport, place, last=True)
    assert read.parts == [b"four"]
    assert not read.grew
    assert not any((await read_on(transport, read.place, last=True)).parts)


async def test_a_truncated_or_replaced_file_begins_anew_and_loses_nothing_of_what_was_moved_aside(
    tmp_path: Path,
) -> None:
    log, transport = tmp_path / "log", LocalTransport("localhost", env={}, clocks=Clocks())
    log.write_bytes(b"one\ntwo\n")
    place = (await read_on(transport, Place(host="localhost", path=str(log)), last=False)).place
    with log.open("ab") as file:
        file.write(b"three\nopen")
    log.rename(tmp_path / "log.1")
    assert (await read_on(transport, place, last=False)).missing
    log.write_bytes(b"four\n")
    assert (await read_on(transport, place, last=False)).anew
    assert (await read_aside(transport, place, PurePosixPath(tmp_path / "log.1"))).parts == [b"three\nopen"]


async def test_a_file_may_be_begun_at_its_end(tmp_path: Path) -> None:
    log, transport = tmp_path / "log", LocalTransport("localhost", env={}, clocks=Clocks())
    log.write_bytes(b"old\n" * 50_000 + b"half")
    read = await read_on(transport, Place(host="localhost", path=str(log), begin="end"), last=False)
    assert not any(read.parts)
    with log.open("ab") as file:
        file.write(b" line\nnew\n")
    assert (await read_on(transport, read.place, last=False)).parts == [b"half line\nnew"]
