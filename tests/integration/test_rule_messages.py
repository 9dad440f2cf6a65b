"""Messages of the rules of a job on a real cluster: to a real SMTP server, to a real webhook, and of its silence."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from anyio import to_thread

from support.cluster import Cluster
from support.mailbox import Letters, mail_server, webhook
from support.watched import HOST, Watched

pytestmark = [pytest.mark.slurm, pytest.mark.sshd]

CLOCKS = {"rules_least_s": 0.3, "rules_settle_s": 1.0}
SCRIPT = r"""#!/bin/sh
#SBATCH --job-name=tells
#WATCHER_BEGIN
# name: letter
# pattern: "loss: ([0-9.]+)"
# captures: [loss]
# condition: float(loss) > 10
# interval: 1
# action: notify_email(subject="Diverged", message="Job ${JOB_ID} on ${HOSTNAME}: loss ${loss}")
#WATCHER_END
#WATCHER name=post pattern="loss: (1[0-9.]+)" interval=1 action=notify(target="hook", message="It is ${1}")
#WATCHER name=silent silence=4s interval=1 action=notify(message="Job ${JOB_ID} says nothing any more")
echo "loss: 2"
sleep 1
echo "loss: 12.5"
until [ -e GATE ]; do sleep 0.1; done
"""


async def test_rules_of_a_job_write_a_letter_call_a_webhook_and_flag_its_silence(
    lend: Callable[..., Watched], faulty_cluster: Cluster
) -> None:
    cluster, letters = faulty_cluster, Letters()
    gate = cluster.home() / "gate-tells"
    with mail_server(letters) as smtp, webhook() as hook:
        grants = f"""
[notify.email]
url = "smtp://{smtp}/?from=warden@example.org&to=alice@example.org"
[notify.hook]
url = "{hook.url}"
"""
        watched = lend(grants, **CLOCKS)
        job = await to_thread.run_sync(lambda: cluster.sbatch(script=SCRIPT.replace("GATE", str(gate))))
        await watched.register(job)
        silent = f"rule silent: Job {job} says nothing any more"
        await watched.until(lambda: letters.taken and hook.bodies, "the letter and the call have come", 90.0)
        await watched.until(lambda: any(silent in text for text in texts(watched)), "the silence is told", 90.0)
        assert cluster.state(job) == "RUNNING"
        gate.touch()
        await watched.until(lambda: "finished" in watched.kinds(), "the end", 90.0)
        await watched.until(lambda: not (watched.home.watcher_pid()), "the watcher has nothing left to do", 90.0)
        ((to, mail),) = letters.taken
        assert (to, mail["Subject"]) == (["alice@example.org"], "Diverged")
        assert mail.get_content().startswith(f"Job {job} on {HOST}: loss 12.5")
        assert f"slurm job {job} on {HOST} (tells), rule letter" in mail.get_content()
        (body,) = hook.bodies
        assert "It is 12.5" in body["message"]
        assert "rule letter: told email: Diverged" in texts(watched)
        assert any(text.startswith("rule post: told hook: ") for text in texts(watched))


def texts(watched: Watched) -> Sequence[str]:
    """Give what the journal says."""
    return [event.text or "" for event in watched.home.journal("one")]
