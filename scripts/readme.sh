#!/usr/bin/env bash
# Run a shell block of README.md, or of a page of docs/: the one below the line `<!-- run: NAME -->`, so that the front
# door stays open.
#   scripts/readme.sh demo
# The project's commands come from .venv/; state, home and working folder of every block but those
# that call make are thrown away.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh

name=$1
block=$(awk -v mark="<!-- run: $name -->" '
  $0 == mark { wanted = 1; next }
  wanted && /^```sh$/ { inside = 1; next }
  inside && /^```$/ { exit }
  inside { print }' README.md docs/*.md)
[ -n "$block" ] || die "neither README.md nor docs/ has a block '$name'"
say "the block '$name':"
printf '%s\n' "$block" | sed 's/^/     $ /' >&2
if [[ $block == make* ]]; then
  bash -euo pipefail -c "$block"
  exit
fi
work=$(mktemp -d)
trap 'env "${clean[@]}" jobwarden watcher stop >/dev/null 2>&1 || true; rm -rf "$work"' EXIT
mkdir -m 700 "$work/home" "$work/run" "$work/project"
clean=(-u CLAUDE_CODE_SESSION_ID -u CODEX_THREAD_ID -u CODEX_SESSION_ID -u CLAUDE_PROJECT_DIR -u JOBWARDEN_CONFIG
  -u XDG_STATE_HOME -u XDG_CONFIG_HOME -u XDG_DATA_HOME -u CLAUDE_CONFIG_DIR -u CODEX_HOME
  HOME="$work/home" XDG_RUNTIME_DIR="$work/run" PATH="$PWD/.venv/bin:$PATH")
cd "$work/project"
env "${clean[@]}" bash -euo pipefail -c "$block"
