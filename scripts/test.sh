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
  PYTHONPATH=tests .venv/bin/python -m support.browser || left_out+=("the tests in a real browser: none could be installed")
elif ! .venv/bin/python -c 'import sys; sys.path.insert(0, "tests")
from cluster.install import missing_packages, why_not_installable
sys.exit(why_not_installable() is not None or bool(missing_packages()))'; then
  left_out+=("the tests on a real Slurm and sshd: they need root on Debian")
fi

status=0
cache=$(mktemp -d)
trap 'rm -rf "$cache"' EXIT
# A test that hangs shows where, and ends the run: no test takes five minutes.
# Most of the time is waiting for Slurm: several files at once, each of them in one process. In their order, for those
# that wait come first; with arguments in one process, as a developer looks for a fault.
together=()
[ $# = 0 ] && together=(-n "${JOBWARDEN_TEST_WORKERS:-$(($(nproc) + 1))}" --dist loadfile --no-loadscope-reorder)
options=(${together[@]+"${together[@]}"} -m "not long" -o faulthandler_timeout=300 -o faulthandler_exit_on_timeout=true --durations=15 --durations-min=5)
.venv/bin/python -m pytest "${options[@]}" -o cache_dir="$cache" "$@" || status=$?
# Real schedulers have moments: a few tests of real parts get a second try, announced (docs/decisions/0019).
if [ $status = 1 ]; then
  mapfile -t again < <(.venv/bin/python scripts/second_try.py "$cache")
  if [ ${#again[@]} -gt 0 ]; then
    status=0
    .venv/bin/python -m pytest -m "not long" -p no:cacheprovider "${again[@]}" || status=$?
    for name in "${again[@]}"; do say "SECOND TRY $([ $status = 0 ] && echo passed || echo FAILED): $name"; done
  fi
fi
for line in ${left_out[@]+"${left_out[@]}"}; do say "LEFT OUT: $line"; done
exit $status
