"""Rules of real Slurm jobs: read from their scripts, and fired by their logs through a requeue."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from pathlib import Path

import pytest
from anyio import to_thread

from jobwarden.service.service import open_service
from support.cluster import Cluster
from support.household import Household, eventually, household
from support.watched import HOST, OUTAGE_CLOCKS, use_cluster

pytestmark = [pytest.mark.slurm, pytest.mark.sshd]

CLOCKS = {**OUTAGE_CLOCKS, "rules_least_s": 0.3, "rules_settle_s": 1.0}
SCRIPT = r"""#!/bin/sh
#SBATCH --requeue
#WATCHER pattern="epoch ([0-9]+) loss: ([^ ]+)" captures=[epoch, loss] condition="float(loss) > 5" interval=1 name=loss
#WATCHER_BEGIN
# name: last
# pattern: "score (?P<score>[0-9]+)"
# at_end: true
# interval: 1
# action: store_metric(name="score", value="${score}")
#WATCHER_END
#WATCHER name=ran state=running interval=1 action=log_event(message="${JOB_ID} runs")
#WATCHER pattern="x" action=cancel_job
#WATCHER pattern="x
run=${SLURM_RESTART_COUNT:-0}
echo "epoch 1 loss: 2.5 of run $run"
printf 'epoch 2 lo'
sleep 0.5
echo "ss: 7.5 of run $run"
echo "score 1$run"
[ "$run" -eq 0 ] && until [ -e GATE-never ]; do sleep 0.1; done
until [ -e GATE ]; do sleep 0.1; done
echo "epoch 3 loss: 1"
printf 'score 99'
exit 3
"""


@pytest.fixture
def home(clean_environment: Path, cluster: Cluster) -> Generator[Household]:
    with household(clean_environment, CLOCKS) as home:
        use_cluster(home, cluster)
        yield home


async def until(condition: object, what: str, within_s: float = 90.0) -> None:
    await to_thread.run_sync(lambda: eventually(condition, what, within_s))  # type: ignore[arg-type]  # a callable


def fired(home: Household, rule: str) -> list[tuple[str, dict[str, str]]]:
    extras = [event.model_extra or {} for event in home.journal() if event.event == "rule_fired"]
    return [(str(extra["line"]), extra["captures"]) for extra in extras if extra["rule"] == rule]


def lines(home: Household, rule: str) -> Sequence[str]:
    return [line for line, _ in fired(home, rule)]


@pytest.mark.parametrize("mode", ["truncate", "append"])
async def test_the_rules_of_a_script_fire_once_for_each_line_through_a_requeue(
    cluster: Cluster, home: Household, mode: str
) -> None:
    gate = cluster.home() / f"gate-rules-{mode}"
    script = SCRIPT.replace("GATE", str(gate))
    words = (f"--open-mode={mode}", "-o", f"rules-{mode}-%j.log", "-J", f"rules-{mode}")
    id_ = await to_thread.run_sync(lambda: cluster.sbatch(*words, script=script))
    async with open_service(home.env) as service:
        view = await service.register(home.caller(), type="slurm", ids=[id_], host=HOST)
        notes = " ".join(view.notes)
        assert "loss, last, ran" in notes
        assert "No rule may cancel a job" in notes
        assert "not closed" in notes
        assert [rule.name for rule in (await service.watch_log(home.caller(), id_)).rules] == ["loss", "last", "ran"]
        await until(lambda: lines(home, "loss") == ["epoch 2 loss: 7.5 of run 0"], "the first run's loss")
        await to_thread.run_sync(lambda: cluster.slurm("scontrol", "requeue", id_))
        await to_thread.run_sync(lambda: cluster.wait_for(id_, {"PENDING"}))
        await to_thread.run_sync(lambda: cluster.slurm("scontrol", "update", f"JobId={id_}", "StartTime=now+2seconds"))
        await until(lambda: len(lines(home, "loss")) > 1, "the second run's loss")
        gate.touch()
        await until(lambda: lines(home, "last"), "the end")
        assert lines(home, "loss") == ["epoch 2 loss: 7.5 of run 0", "epoch 2 loss: 7.5 of run 1"]
        [(_, captures)] = [one for one in fired(home, "loss") if "run 1" in one[0]]
        assert (captures["epoch"], captures["loss"]) == ("2", "7.5")
        [(line, captures)] = fired(home, "last")
        assert (line, captures["score"]) == ("score 99", "99")
        # A look may meet the seconds in which Slurm calls a run COMPLETING.
        assert [line for line in lines(home, "ran") if "COMPLETING" not in line] == ["running: RUNNING"] * 2
        tried = await service.watch_log(home.caller(), id_, action="test", rule="loss")
        assert tried.tried is not None
        assert tried.tried[0].fired == (1 if mode == "truncate" else 2)
