"""What the hook makes of commands and their outputs: which submissions, where, and what it leaves alone.

Each row: what the agent ran, what it printed, and what is registered (`type:id@host`, `?` for a host that is said to
be a guess); `doubt` where nothing is registered and the agent is told why.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from support.hook import run_hook

SUB = "Submitted batch job "
NEL_SAID = "✓ Job submission successful | Invocation ID: 0b1d99ac8d04df09"
ENTERED = "10:23:53 ────────── Entering Experiment cicd with id: cicd_1795170233931334517 ──────────"

PLAIN = [
    ("sbatch job.sh", SUB + "12", "slurm:12@localhost"),
    ("sbatch job.sh", SUB + "12\r", "slurm:12@localhost"),
    ("sbatch -p normal --array=0-9%2 job.sh a b", SUB + "12", "slurm:12@localhost"),
    ("cd runs && sbatch job.sh", SUB + "12", "slurm:12@localhost"),
    ("module load slurm; sbatch job.sh", "Loading slurm/23\n" + SUB + "12", "slurm:12@localhost"),
    ("/opt/slurm/bin/sbatch job.sh", SUB + "12", "slurm:12@localhost"),
    ("FOO=1 BAR='a b' sbatch job.sh", SUB + "12", "slurm:12@localhost"),
    ("sudo -u alice sbatch job.sh", SUB + "12", "slurm:12@localhost"),
    ("env A=1 B=2 sbatch job.sh", SUB + "12", "slurm:12@localhost"),
    ("nohup sbatch job.sh", SUB + "12", "slurm:12@localhost"),
    ("timeout 30 sbatch job.sh", SUB + "12", "slurm:12@localhost"),
    ("timeout -k 5 30 sbatch job.sh", SUB + "12", "slurm:12@localhost"),
    ("time sbatch job.sh", SUB + "12", "slurm:12@localhost"),
    ("sbatch job.sh && false", "Exit code 1\n" + SUB + "12", "slurm:12@localhost"),
    ("sbatch job.sh | tee log", SUB + "12", "slurm:12@localhost"),
    ("sbatch job.sh > out.txt; cat out.txt", SUB + "12", "slurm:12@localhost"),
    ("sbatch --wrap 'echo \"a; b\" | cat'", SUB + "12", "slurm:12@localhost"),
    ("sbatch <<'EOF'\n#!/bin/bash\nssh other sbatch x\nEOF", SUB + "12", "slurm:12@localhost"),
    ("cat <<EOF | sbatch\n#!/bin/sh\nsleep 1\nEOF", SUB + "12", "slurm:12@localhost"),
    ("if true; then sbatch job.sh; fi", SUB + "12", "slurm:12@localhost"),
    ("{ sbatch job.sh; }", SUB + "12", "slurm:12@localhost"),
    ("(cd x; sbatch job.sh)", SUB + "12", "slurm:12@localhost"),
    ("# first a comment\nsbatch job.sh # and one here", SUB + "12", "slurm:12@localhost"),
    ("sbatch \\\n  --gres=gpu:1 \\\n  job.sh", SUB + "12", "slurm:12@localhost"),
    ("bash -lc 'sbatch job.sh'", SUB + "12", "slurm:12@localhost"),
    ("bash -l -c \"bash -c 'sbatch job.sh'\"", SUB + "12", "slurm:12@localhost"),
    ("eval 'sbatch job.sh'", SUB + "12", "slurm:12@localhost"),
    ("bash <<EOF\nsbatch job.sh\nEOF", SUB + "12", "slurm:12@localhost"),
    ("bash -s <<< 'sbatch job.sh'", SUB + "12", "slurm:12@localhost"),
    ("echo 'sbatch job.sh' | bash", SUB + "12", "slurm:12@localhost"),
    ("sbatch -M gpu job.sh", SUB + "12 on cluster gpu", "slurm:12;gpu@localhost"),
    ("sbatch job.sh 2>&1", "sbatch: Warning\n" + SUB + "12", "slurm:12@localhost"),
    ("sbatch -v job.sh", "sbatch: " + SUB + "12", "slurm:12@localhost"),
]

IDS_ALONE = [
    ("sbatch --parsable job.sh", "12", "slurm:12@localhost"),
    ("sbatch --parsable -M gpu job.sh", "12;gpu", "slurm:12;gpu@localhost"),
    ("sbatch job.sh | awk '{print $4}'", "12", "slurm:12@localhost"),
    ("sbatch job.sh | grep -oE '[0-9]+'", "12", "slurm:12@localhost"),
    ("sbatch job.sh | cut -d' ' -f4", "12", "slurm:12@localhost"),
    ("J=$(sbatch --parsable job.sh); echo $J", "12", "slurm:12@localhost"),
    ('J=$(sbatch --parsable job.sh)\necho "job is ${J}."', "job is 12.", "slurm:12@localhost"),
    ('J=`sbatch --parsable job.sh`; echo "$J"', "12", "slurm:12@localhost"),
    ('export J=$(sbatch --parsable job.sh); echo "$J"', "12", "slurm:12@localhost"),
    ("J=$(sbatch job.sh | awk '{print $4}') && echo \"Job: $J\"", "Job: 12", "slurm:12@localhost"),
    ('OUT=$(sbatch job.sh); echo "$OUT"', SUB + "12", "slurm:12@localhost"),
    ('OUT=$(sbatch job.sh); echo "id ${OUT##* }"', "id 12", "slurm:12@localhost"),
    ("OUT=$(sbatch job.sh); J=$(echo $OUT | awk '{print $4}'); echo \"got $J\"", "got 12", "slurm:12@localhost"),
    ('echo "job $(sbatch --parsable job.sh)"', "job 12", "slurm:12@localhost"),
    ('J=$(sbatch --parsable a.sh); printf "job %s\\n" "$J"', "job 12", "slurm:12@localhost"),
    (
        'A=$(sbatch --parsable a.sh); B=$(sbatch --parsable -d afterok:$A b.sh); echo "$A $B"',
        "12 13",
        "slurm:12@localhost slurm:13@localhost",
    ),
    (
        "A=$(ssh a sbatch --parsable x); B=$(ssh b sbatch --parsable y); echo $A; echo $B",
        "12\n13",
        "slurm:12@a slurm:13@b",
    ),
    ("J=$(ssh cluster-a sbatch --parsable job.sh); echo job $J", "job 12", "slurm:12@cluster-a"),
    ("sbatch --parsable job.sh; wc -l < file", "12\n99", "doubt"),
    ("J=$(sbatch --parsable job.sh); squeue -j $J", "JOBID\n12 R", "doubt"),
]

SEVERAL = [
    ("sbatch a.sh; sbatch b.sh", SUB + "12\n" + SUB + "13", "slurm:12@localhost slurm:13@localhost"),
    ("sbatch a.sh && sbatch b.sh", SUB + "12", "slurm:12@localhost"),
    ("for i in 1 2 3; do sbatch job.sh $i; done", SUB + "12\n" + SUB + "13", "slurm:12@localhost slurm:13@localhost"),
    ("for f in *.sh; do sbatch --parsable $f; done", "12\n13", "slurm:12@localhost slurm:13@localhost"),
    ("while read f; do sbatch $f; done < list", SUB + "12\n" + SUB + "13", "slurm:12@localhost slurm:13@localhost"),
    ("ls *.sh | xargs -n 1 sbatch", SUB + "12\n" + SUB + "13", "slurm:12@localhost slurm:13@localhost"),
    ("find . -name '*.sh' -exec sbatch {} \\;", SUB + "12", "slurm:12@localhost"),
    ("ssh a sbatch x; ssh b sbatch y", SUB + "12\n" + SUB + "13", "slurm:12@a slurm:13@b"),
    ("sbatch x; ssh b sbatch y", SUB + "12\n" + SUB + "13", "slurm:12@localhost slurm:13@b"),
    ("ssh a sbatch x; ssh b sbatch y", SUB + "12", "doubt"),
    ("ssh a sbatch x & ssh b sbatch y & wait", SUB + "12\n" + SUB + "13", "doubt"),
    ("for h in a b; do ssh $h sbatch job.sh; done", SUB + "12\n" + SUB + "13", "slurm:12@a slurm:13@b"),
    ("for h in $HOSTS; do ssh $h sbatch job.sh; done", SUB + "12\n" + SUB + "13", "doubt"),
    ("cat old.log; sbatch x", SUB + "7\n" + SUB + "12", "doubt"),
]

THROUGH_SSH = [
    ("ssh cluster-a sbatch job.sh", SUB + "12", "slurm:12@cluster-a"),
    ("ssh cluster-a 'cd run && sbatch job.sh'", "Welcome!\n" + SUB + "12", "slurm:12@cluster-a"),
    ('ssh cluster-a "cd /x; sbatch --parsable job.sh"', "12", "slurm:12@cluster-a"),
    ("ssh alice@cluster-a sbatch job.sh", SUB + "12", "slurm:12@alice@cluster-a"),
    ("ssh -l alice cluster-a sbatch job.sh", SUB + "12", "slurm:12@alice@cluster-a"),
    ("ssh -tt -q -i ~/.ssh/k -o BatchMode=yes cluster-a sbatch job.sh", SUB + "12", "slurm:12@cluster-a"),
    ("ssh -p 22 cluster-a sbatch job.sh", SUB + "12", "slurm:12@cluster-a"),
    ("ssh -p 2222 cluster-a sbatch job.sh", SUB + "12", "slurm:12@cluster-a?"),
    ("ssh -p2222 cluster-a sbatch job.sh", SUB + "12", "slurm:12@cluster-a?"),
    ("ssh -J jump cluster-a sbatch job.sh", SUB + "12", "slurm:12@cluster-a?"),
    ("ssh -oPort=2222 cluster-a sbatch job.sh", SUB + "12", "slurm:12@cluster-a?"),
    ("ssh -F cfg cluster-a sbatch job.sh", SUB + "12", "slurm:12@cluster-a?"),
    ("ssh ssh://alice@cluster-a:2222 sbatch job.sh", SUB + "12", "slurm:12@alice@cluster-a?"),
    ("ssh cluster-a bash -lc \"'sbatch job.sh'\"", SUB + "12", "slurm:12@cluster-a"),
    ("ssh cluster-a \"bash -lc 'cd x && sbatch job.sh'\"", SUB + "12", "slurm:12@cluster-a"),
    ("ssh cluster-a <<'EOF'\ncd x\nsbatch job.sh\nEOF", SUB + "12", "slurm:12@cluster-a"),
    ("ssh cluster-a bash -s <<EOF\nsbatch job.sh\nEOF\necho done", SUB + "12\ndone", "slurm:12@cluster-a"),
    ("ssh -T cluster-a << 'END' | tee log\nsbatch job.sh\nEND", SUB + "12", "slurm:12@cluster-a"),
    ("ssh cluster-a 'bash -s' <<-EOF\n\tsbatch job.sh\n\tEOF", SUB + "12", "slurm:12@cluster-a"),
    ("echo 'sbatch job.sh' | ssh cluster-a bash", SUB + "12", "slurm:12@cluster-a"),
    ("scp job.sh cluster-a: && ssh cluster-a sbatch job.sh", SUB + "12", "slurm:12@cluster-a"),
    ("H=cluster-a; ssh $H sbatch job.sh", SUB + "12", "slurm:12@cluster-a"),
    ('HOST=cluster-a\nssh "alice@$HOST" "sbatch job.sh"', SUB + "12", "slurm:12@alice@cluster-a"),
    ("ssh $CLUSTER sbatch job.sh", SUB + "12", "doubt"),
    ("ssh login 'ssh cluster-a sbatch job.sh'", SUB + "12", "slurm:12@cluster-a?"),
    ("sshpass -p x ssh cluster-a sbatch job.sh", SUB + "12", "slurm:12@cluster-a"),
    ("ssh cluster-a sbatch job.sh | awk '{print $4}'", "12", "slurm:12@cluster-a"),
    (
        "ssh cluster-a 'for i in 1 2; do sbatch job.sh; done'",
        SUB + "1\n" + SUB + "2",
        "slurm:1@cluster-a slurm:2@cluster-a",
    ),
    ("ssh cluster-a ./submit.sh", SUB + "12", "slurm:12@cluster-a"),
    ("ssh cluster-a ./run.sh", SUB + "12", "doubt"),
    ("ssh cluster-a 'bash < submit.sh'", SUB + "12", "doubt"),
]

OTHERS = [
    ("nel run --config c.yaml", NEL_SAID, "nel:0b1d99ac8d04df09@localhost"),
    ("nemo-evaluator-launcher run --config c.yaml", NEL_SAID, "nel:0b1d99ac8d04df09@localhost"),
    ("uv run nel run --config c.yaml", NEL_SAID, "nel:0b1d99ac8d04df09@localhost"),
    ("uvx --from nemo-evaluator-launcher nel run --config c.yaml", NEL_SAID, "nel:0b1d99ac8d04df09@localhost"),
    ("source .venv/bin/activate && nel run --config c.yaml 2>&1 | tail -5", NEL_SAID, "nel:0b1d99ac8d04df09@localhost"),
    (
        "python -m nemo_evaluator_launcher.cli.main run -c x",
        "\x1b[32m" + NEL_SAID + "\x1b[0m",
        "nel:0b1d99ac8d04df09@localhost",
    ),
    ("ssh cluster-a nel run --config c.yaml", NEL_SAID, "nel:0b1d99ac8d04df09@cluster-a"),
    ("nel run --dry-run --config c.yaml", NEL_SAID, ""),
    ("nel status 0b1d99ac8d04df09", NEL_SAID, ""),
    ("cat nel.log", NEL_SAID, ""),
    ("nel run --config c.yaml", NEL_SAID.replace("0b1d", "0b1d;"), ""),
    ("uv run launch.py --yaml a.yaml --yes", ENTERED, "launcher:cicd_1795170233931334517@localhost"),
    (
        "cd tools/launcher && python3 launch.py --yaml a.yaml detach=True",
        ENTERED,
        "launcher:cicd_1795170233931334517@localhost",
    ),
    ("python train.py", ENTERED, "launcher:cicd_1795170233931334517@localhost"),
    ("tail -50 launcher.log", ENTERED, ""),
    ("pytest tests/test_launch.py", ENTERED, ""),
    ("uv run launch.py --yaml a.yaml > run.log 2>&1 &", "", "launcher:/proj/run.log@localhost"),
    ("nohup uv run launch.py --yaml a.yaml &> /tmp/run.log &", "", "launcher:/tmp/run.log@localhost"),
    ("uv run launch.py --yaml a.yaml --dryrun > run.log", "", ""),
]

NOTHING = [
    ("cat slurm.log", SUB + "12", ""),
    ("tail -f x.log | grep Submitted", SUB + "12", ""),
    ("grep -r 'Submitted batch job' .", "a.log:" + SUB + "12\n" + SUB + "12", ""),
    ("echo 'Submitted batch job 12'", SUB + "12", ""),
    ("printf 'Submitted batch job 12\\n'", SUB + "12", ""),
    ("git log -1", SUB + "12", ""),
    ("git commit -m 'sbatch job.sh'", SUB + "12", ""),
    ("pytest -s tests/test_sbatch.py", SUB + "12", ""),
    ("python -m pytest -s", SUB + "12", ""),
    ("uv run pytest tests/sbatch", SUB + "12", ""),
    ("make test", SUB + "12", ""),
    ("./run_tests.sh # sbatch", SUB + "12", ""),
    ("npm test", SUB + "12", ""),
    ("man sbatch", SUB + "12", ""),
    ("which sbatch; command -v sbatch", "/usr/bin/sbatch", ""),
    ("sbatch --test-only job.sh", "sbatch: Job 12 to start at 2026-11-21", ""),
    ("sbatch --version", "slurm 22.05.8", ""),
    ("ssh cluster-a cat slurm.log", SUB + "12", ""),
    ("ssh cluster-a 'grep Submitted log; sacct -j 12'", SUB + "12", ""),
    ("cat > job.sh <<'EOF'\nsbatch other.sh\nEOF", SUB + "12", ""),
    ("sed -n '/sbatch/p' run.sh", SUB + "12", ""),
    ("jobwarden register slurm 12 # sbatch", SUB + "12", ""),
    ('echo "sbatch job.sh" > todo', "", ""),
    ("curl -s http://x/log # sbatch", SUB + "12", ""),
    ("mytool --go", SUB + "12", "doubt"),
    ("python analyse.py", SUB + "12", "doubt"),
    ("docker run img sbatch job.sh", SUB + "12", "doubt"),
    ("tmux send-keys 'sbatch job.sh' Enter", "", ""),
]

HOSTILE = [
    ("sbatch job.sh", SUB + "12; rm -rf ~", "doubt"),
    ("sbatch job.sh", SUB + "0", "doubt"),
    ("sbatch job.sh", SUB + "-12", "doubt"),
    ("sbatch job.sh", SUB + "123456789012", "doubt"),
    ("sbatch job.sh", SUB + "12 on cluster $(id)", "doubt"),
    ("sbatch job.sh", SUB + "\uff11\uff12", "doubt"),
    ("sbatch job.sh", "xx" + SUB + "12", "doubt"),
    ("sbatch --parsable job.sh", "12;-M", "doubt"),
    ("ssh '$(touch /tmp/x)' sbatch job.sh", SUB + "12", "doubt"),
    ("ssh 'a b' sbatch job.sh", SUB + "12", "doubt"),
    ("ssh 'a;id' sbatch job.sh", SUB + "12", "doubt"),
    ("ssh -- -oProxyCommand=id sbatch job.sh", SUB + "12", "doubt"),
    ("ssh 'x`id`' sbatch job.sh", SUB + "12", "doubt"),
    ("ssh 'a\nb' sbatch job.sh", SUB + "12", "doubt"),
    ("ssh '%h' sbatch job.sh", SUB + "12", "doubt"),
    ("ssh 'hôst' sbatch job.sh", SUB + "12", "doubt"),
    ("ssh -l '-x' cluster-a sbatch job.sh", SUB + "12", "doubt"),
    ("ssh", SUB + "12", ""),
    ("ssh -p", SUB + "12 sbatch", ""),
    ("sbatch 'unclosed", SUB + "12", "slurm:12@localhost"),
    ('sbatch "$(unclosed', SUB + "12", "slurm:12@localhost"),
    ("<<", "sbatch", ""),
    ("sbatch <<", SUB + "12", "slurm:12@localhost"),
    ("|| && ;; sbatch", SUB + "12", "slurm:12@localhost"),
    ("\\", "sbatch", ""),
    ("xargs", "sbatch", ""),
    ("env -", "sbatch", ""),
    ("$(" * 300 + "sbatch", SUB + "12", "doubt"),
    ("$SBATCH job.sh", SUB + "12", "doubt"),
    ("bash -c " * 200 + "sbatch", SUB + "12", "doubt"),
    ("(" * 5000 + "sbatch x", SUB + "12", "slurm:12@localhost"),
    ("echo " + "'a' " * 15000 + "; sbatch x", SUB + "12", "slurm:12@localhost"),
    ("sbatch x", "\n".join(SUB + str(n) for n in range(1, 60)), "doubt"),
]

ROWS = [*PLAIN, *IDS_ALONE, *SEVERAL, *THROUGH_SSH, *OTHERS, *NOTHING, *HOSTILE]


@pytest.mark.parametrize(
    ("command", "output", "registered"), ROWS, ids=[f"{n}-{row[0][:40]!r}" for n, row in enumerate(ROWS)]
)
def test_what_is_registered_of_a_command_and_its_output(
    tmp_path: Path, command: str, output: str, registered: str
) -> None:
    for stdout in ({"stdout": output, "stderr": ""}, output):  # Claude Code's form, and Codex's
        seen = run_hook(tmp_path, command, stdout, cwd="/proj")
        assert seen.registered == ([] if registered == "doubt" else registered.split())
        assert bool(seen.doubt) == (registered == "doubt")
