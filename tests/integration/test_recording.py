"""doctor --record on a real Slurm, and the emulated programs against the real ones."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from anyio import to_thread

import replay
from emulated import Ask
from jobwarden.service.recording import RecordingError
from jobwarden.service.service import open_service
from jobwarden.sources.base import Host
from jobwarden.sources.slurm.recording import as_text, document, look
from jobwarden.transport.base import Transport
from jobwarden.verdict.world import open_world
from jobwarden_registry.errors import JobwardenError
from support.cluster import Cluster
from support.corpus import Jobwarden
from support.household import Household, household

pytestmark = [pytest.mark.slurm, pytest.mark.sshd]

HOST = "cluster-a"


@pytest.fixture
def home(clean_environment: Path, cluster: Cluster) -> Iterator[Household]:
    with household(clean_environment, {"floor_s": 1.0}) as made:
        ssh = Path(made.env["HOME"]) / ".ssh"
        ssh.mkdir(mode=0o700, exist_ok=True)
        (ssh / "config").write_text(f"Include {cluster.ssh_config}\n", encoding="utf-8")
        yield made


async def test_a_recording_of_doctors_holds_no_name_and_is_replayed_by_the_same_replay(
    home: Household, cluster: Cluster
) -> None:
    path = home.project / "answers.json"
    job = cluster.sbatch("-J", "secret-name", "--comment", "secret plan", "--wrap", "sleep 4; exit 3")
    async with open_service(home.env) as service:
        view = await service.record(host=HOST, path=path, for_s=14)
    text = path.read_text(encoding="utf-8")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert not [word for word in ("secret", "alice", "cluster-a", str(cluster.dir)) if word in text]
    assert view.moments == len(json.loads(text)["moments"]) > 2
    recording = replay.load_file(path)
    # The replay is for any program: it has no event loop, and so needs a thread that has none.
    words = [one.word for one in await to_thread.run_sync(replay.run, Jobwarden, recording)]
    assert words[-1] == "failed", words
    assert f'"{job}"' not in json.dumps(recording["jobs"])


async def test_a_recording_overwrites_nothing_and_needs_a_slurm(home: Household) -> None:
    path = home.project / "answers.json"
    path.write_text("mine", encoding="utf-8")
    async with open_service(home.env) as service:
        with pytest.raises(RecordingError):
            await service.record(host=HOST, path=path, for_s=1)
        with pytest.raises(JobwardenError):
            await service.record(host="nowhere.invalid", path=home.project / "other.json", for_s=1)
    assert path.read_text(encoding="utf-8") == "mine"
    assert not (home.project / "other.json").exists()


QUESTIONS = (
    "squeue -h -j {ids} -t all -o %i|%A|%t|%T|%u|%r|%j|%V|%D",
    "squeue -h -t PD -o %i",
    "squeue -t all -j {ids}",
    "squeue -r -h -o %i -j {array},{done}",
    "squeue --me -h -t all --Format=jobarrayid:30,state:20,name:12",
    "squeue -h -j {done}",
    "squeue -h -j 9999999",
    "squeue -h -j 9999999,{done}",
    "sacct -X -n -P -j {ids} -o JobID,State,ExitCode,Submit,Partition",
    "sacct -n -P -j {done} -o JobID,State,ExitCode",
    "sacct -X -j {ids} -o JobID,JobName,User,State,ExitCode",
    "sacct -n -X -j {done} -o State%20",
    "sacct -j {done} -X -b",
    "sacct -X -D -P -j 9999999",
    "scontrol show job 9999999",
)  # fmt: skip


async def test_the_emulated_programs_answer_as_the_real_ones_do(home: Household, cluster: Cluster) -> None:
    done = cluster.sbatch("-J", "a-rather-long-name", "--wrap", "exit 200")
    array = cluster.sbatch("-H", "-a", "1-5:2%2", "--wrap", "true")
    cancelled = cluster.sbatch("-H", "--wrap", "true")
    cluster.run(["scancel", cancelled])
    cluster.wait_until_accounted(done, {"FAILED"})
    cluster.wait_until_accounted(cancelled, {"CANCELLED"})
    cluster.wait_until_accounted(array, {"PENDING"})
    ids = {int(one) for one in (done, array, cancelled)}
    words = {"ids": f"{done},{array},{cancelled}", "done": done, "array": array}
    questions = [[word.format(**words) for word in question.split(" ")] for question in QUESTIONS]
    async with open_world(home.env) as world, world.transports.lease(HOST) as transport:
        host = Host(transport=transport, machine_id="test", timeout_s=60)
        ask, real = await _both(host, ids, questions)
        for _ in range(3):  # a job may leave slurmctld's memory while it is compared
            again, answers = await _both(host, ids, questions)
            stood, ask, real = real == answers, again, answers
            if stood:  # from the answers before to these, and so also while it was looked for the emulation
                break
    cluster.slurm("scancel", array)
    for question, answer in zip(questions, real, strict=True):
        assert (question, ask(question, {"SLURM_TIME_FORMAT": "%s"})) == (question, answer)


async def _both(host: Host, ids: set[int], questions: list[list[str]]) -> tuple[Ask, list[tuple[int, str, str]]]:
    ask = await _emulated(host, ids)
    return ask, [await _real(host.transport, question) for question in questions]


async def _emulated(host: Host, ids: set[int]) -> Ask:
    first = await look(host, ids)
    second = await look(host, ids, first)
    recording: dict[str, Any] = json.loads(as_text(document([second], case="", says="", how="", jobs=[])))
    return Ask(recording, next(replay.moments(recording)))


async def _real(transport: Transport, question: list[str]) -> tuple[int, str, str]:
    env = ["env", "SLURM_TIME_FORMAT=%s", "TZ=UTC0", "SLURM_BITSTR_LEN=0"]
    answer = await transport.run([*env, *question], timeout_s=60)
    return answer.status, answer.stdout.decode(), answer.stderr.decode()
