"""The real Codex at work on a real job, and a script in the model's place: what the hooks and tools tell the model, and once.

Codex runs without its sandbox here, whose shell has no network: a job of a cluster is submitted from where ssh works.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.cluster import Cluster
from support.codex import Codex, install_plugin, make_codex, thread_of
from support.codex_provider import Item, Move, Request, say, shell, stand_in, tool
from support.household import eventually, household
from support.watched import use_cluster

pytestmark = [pytest.mark.node, pytest.mark.slurm]

FAILING = r"""sbatch <<'JOB'
#!/bin/sh
echo 'Traceback (most recent call last):'
echo '  File "/data/train.py", line 212, in load'
echo '    return row["labels"]'
echo "KeyError: 'labels'"
exit 3
JOB"""


@pytest.fixture
def codex(clean_environment: Path, cluster: Cluster) -> Iterator[Codex]:
    with household(clean_environment) as home, stand_in() as model:
        use_cluster(home, cluster)
        made = make_codex(home, model)
        made.let_ssh_know(cluster.ssh_config)
        install_plugin(made)
        yield made


def test_loop(codex: Codex) -> None:
    m = codex.model
    m.will(shell("ssh cluster-a bash -s <<'EOF'\n" + FAILING + "\nEOF"))
    m.will(tool("wait_for_change", until="all_terminal", timeout_s=60), tool("check_status"), tool("diagnose_job", job="1"))
    m.will(say("It failed."))
    events = codex.exec("train it")
    for r in m.requests[1:]: print("=====", r.new_text[-2500:])
    print(codex.home.kinds(thread_of(events)))
    t=thread_of(events); n=len(m.requests)
    m.will(shell("sleep 1; ssh cluster-a 'sbatch --wrap \"sleep 4; exit 2\"'"), say("ok"))
    events=codex.exec("another", resume=t)
    import time; time.sleep(8)
    m.will(say("I see"))
    events=codex.exec("and?", resume=t)
    for r in m.requests[n:]: print("=====", [ (i.get('role') or i['type']) for i in r.since_own_words], r.new_text[-1500:])
    print(codex.home.kinds(thread_of(events)), thread_of(events)==t)
    n=len(m.requests)
    from support.codex_provider import call
    m.will(call("exec_command", {"cmd":"sleep 2; ssh cluster-a 'sbatch --wrap \"sleep 1; exit 2\"'", "yield_time_ms":500}), call("write_stdin", {"session_id":1, "chars":"", "yield_time_ms":5000}), say("z"))
    events=codex.exec("and?", resume=t)
    for r in m.requests[n:]: print("=====", [ (i.get('role') or i['type']) for i in r.since_own_words], r.new_text[-1500:])
    assert 0
