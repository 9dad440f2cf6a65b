#!/usr/bin/env bash
# The `long` tier. Writes docs/records/long-YYYY-MM-DD.md, to be committed.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh

scripts/setup.sh dev
if can_install; then
  .venv/bin/python tests/cluster/cluster.py install
  for release in bullseye trixie; do # one that cannot be had is a skipped test below, or a failed one where it is required
    .venv/bin/python tests/cluster/cluster.py install --release "$release" || say "no $release"
  done
fi
today=$(date -u +%F)
record=docs/records/long-$today.md
log=$(mktemp)
trap 'rm -f "$log"' EXIT
began=$(date +%s)
status=0
.venv/bin/python -m pytest -m long --durations=0 "$@" 2>&1 | tee "$log" || status=$?
mkdir -p docs/records
{
  echo "# The long tier, $today"
  echo
  echo "- commit: $(git describe --always --dirty --abbrev=12 2>/dev/null || echo unknown)"
  echo "- machine: $(uname -sr), $(nproc) cores, $(. /etc/os-release && echo "$PRETTY_NAME")"
  echo "- Python: $(.venv/bin/python --version | cut -d' ' -f2); Slurm: $(dpkg-query -W -f '${Version}' slurm-wlm 2>/dev/null || echo none)"
  echo "- other Slurms: $(cat /var/cache/jobwarden-test-cluster/*/var/lib/dpkg/status 2>/dev/null |
    awk '/^Package: /{p=$2} /^Version: /&&p=="slurm-wlm"{printf "%s%s", s, $2; s=", "}' | grep . || echo none)"
  echo "- took: $((($(date +%s) - began) / 60)) min; exit status of pytest: $status"
  echo
  echo '```'
  sed -n '/slowest durations\|short test summary\|-tests: \|^real-/,$p' "$log" | sed "s|$PWD|.|g"
  echo '```'
} >"$record"
say "wrote $record (exit status $status); commit it"
exit $status
