#!/usr/bin/env bash
# Prove what is shipped: the wheel in a clean environment, the registry alone with only pydantic,
# and the tests that need no server against the installed wheel, on the newest Python that is here.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh

scripts/setup.sh dev
find_uv
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
retry "$UV" build --quiet --wheel --out-dir "$work/dist"
wheel=$(echo "$work"/dist/*.whl)

python=$("$UV" python find --no-project --no-python-downloads 3.13 2>/dev/null) || {
  say "LEFT OUT: Python 3.13 is not here; the wheel is tested on $(.venv/bin/python --version) only"
  python=$PWD/.venv/bin/python
}

say "the registry alone, with only pydantic"
"$UV" venv --quiet --python "$python" "$work/leaf"
"$UV" export --quiet --locked --no-dev --no-emit-project --format requirements-txt >"$work/constraints.txt"
retry "$UV" pip install --quiet --python "$work/leaf" --constraint "$work/constraints.txt" pydantic
"$work/leaf/bin/python" - "$wheel" "$work/leaf-only" <<'PY'
import importlib, pathlib, sys, zipfile

wheel, folder = sys.argv[1:]
with zipfile.ZipFile(wheel) as archive:
    names = [name for name in archive.namelist() if name.startswith("jobwarden_registry/")]
    archive.extractall(folder, names)
sys.path.insert(0, folder)
modules = sorted(name.removesuffix(".py").replace("/", ".") for name in names if name.endswith(".py"))
for module in modules:
    importlib.import_module(module.removesuffix(".__init__"))
foreign = {"anyio", "asyncssh", "click", "mcp", "rich", "jobwarden"} & set(sys.modules)
assert not foreign, foreign
print(f"   {len(modules)} modules imported on Python {sys.version.split()[0]}")
PY

say "the wheel in a clean environment"
"$UV" venv --quiet --python "$python" "$work/venv"
"$UV" export --quiet --locked --no-emit-project --format requirements-txt >"$work/requirements.txt"
retry "$UV" pip install --quiet --python "$work/venv" --requirement "$work/requirements.txt"
"$UV" pip install --quiet --python "$work/venv" --no-deps "$wheel"
"$work/venv/bin/jobwarden" version
"$work/venv/bin/jobwarden" --help >/dev/null

say "what it brings along for clients"
mkdir -m 700 "$work/home" "$work/home/empty"
for client in claude codex; do
  (cd "$work/home/empty" && env -i HOME="$work/home" PATH="$PATH" "$work/venv/bin/jobwarden" install "$client" --yes >/dev/null)
done
cmp hooks/jobwarden_hook.py "$work/home/.local/share/jobwarden/hooks/jobwarden_hook.py"
cmp skills/job-monitor/SKILL.md "$work/home/.claude/skills/job-monitor/SKILL.md"
cmp skills/job-monitor/SKILL.md "$work/home/.agents/skills/job-monitor/SKILL.md"

say "tests/unit, tests/contract, tests/protocol against the wheel on $("$work/venv/bin/python" --version)"
mkdir "$work/tree"
tar -cf - --exclude=node_modules --exclude=__pycache__ tests bench corpus docs scripts hooks skills .claude-plugin .codex-plugin .mcp.json .mcp.codex.json Makefile README.md AGENTS.md CHANGELOG.md LICENSE \
  pyproject.toml | tar -xf - -C "$work/tree"
cd "$work/tree"
unset JOBWARDEN_REQUIRE # the real parts are tested in the other run
"$work/venv/bin/python" -c 'import jobwarden, sys; assert "site-packages" in jobwarden.__file__, jobwarden.__file__'
"$work/venv/bin/python" -m pytest -q -n "$(nproc)" --dist loadfile -p no:cacheprovider \
  -m "not long and not slurm and not sshd and not node and not browser" \
  tests/unit tests/contract tests/protocol "$@"
