#!/usr/bin/env bash
# What is checked without running the product: lock, style, imports, types (3.11 by default, 3.12 and 3.14 too).
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh

scripts/setup.sh dev
find_uv
failed=()
check() { # check NAME WORDS...: run it, keep its output for when it fails
  local name=$1 began=$SECONDS output
  shift
  if output=$("$@" 2>&1); then say "$name: ok ($((SECONDS - began)) s)"; else
    printf '%s\n' "$output"
    say "$name: FAILED"
    return 1
  fi
}
mypys() { for version in 3.11 3.12 3.14; do check "mypy $version" .venv/bin/mypy --python-version "$version" || return 1; done; }
pyrights() { for version in 3.11 3.12 3.14; do check "pyright $version" .venv/bin/pyright --pythonversion "$version" || return 1; done; }

check "uv lock" "$UV" lock --check || failed+=(lock)
check "ruff format" .venv/bin/ruff format --check || failed+=(format)
check "ruff check" .venv/bin/ruff check || failed+=(ruff)
check "import-linter" .venv/bin/lint-imports || failed+=(imports)
check "docs/options.md" .venv/bin/python scripts/reference.py || failed+=(reference)
mypys & mypy_job=$!
pyrights || failed+=(pyright)
wait "$mypy_job" || failed+=(mypy)
[ ${#failed[@]} = 0 ] || die "failed: ${failed[*]}"
say "all checks passed"
