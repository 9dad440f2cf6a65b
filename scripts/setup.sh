#!/usr/bin/env bash
# Make .venv/ from uv.lock, on a machine with only uv, or only python3 with venv, or only root on Debian.
#   scripts/setup.sh run    what jobwarden needs to run
#   scripts/setup.sh dev    and what its tests and checks need
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh

what=${1:-dev}
find_uv
options=(--locked --quiet)
[ "$what" = run ] && options+=(--no-dev --inexact) # inexact: leave a developer's tools where they are
[ -n "${JOBWARDEN_PYTHON:-}" ] && options+=(--python "$JOBWARDEN_PYTHON")
retry "$UV" sync "${options[@]}"
say "ready: $(.venv/bin/python --version), $(.venv/bin/jobwarden version)"
