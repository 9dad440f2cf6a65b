#!/usr/bin/env bash
# Every test but the `long` ones, on the real Slurm, sshd and clients; sets up what they need.
# Arguments go to pytest: scripts/test.sh tests/unit -k ledger
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh

scripts/setup.sh dev
left_out=()
if can_install; then
  .venv/bin/python tests/cluster/cluster.py install
elif ! .venv/bin/python -c 'import sys; sys.path.insert(0, "tests")
from cluster.install import missing_packages, why_not_installable
sys.exit(why_not_installable() is not None or bool(missing_packages()))'; then
  left_out+=("the tests on a real Slurm and sshd: they need root on Debian")
fi

status=0
# A test that hangs shows where, and ends the run: no test takes five minutes.
options=(-m "not long" -o faulthandler_timeout=300 -o faulthandler_exit_on_timeout=true --durations=15 --durations-min=5)
.venv/bin/python -m pytest "${options[@]}" "$@" || status=$?
for line in ${left_out[@]+"${left_out[@]}"}; do say "LEFT OUT: $line"; done
exit $status
