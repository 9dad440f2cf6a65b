"""Where a host keeps Slurm's programs when a non-interactive shell does not find them, and what to write for it.

Everything is looked for in one remote run. Each way is tried as the configuration would use it, as text that the
user's login shell runs first, and believed only when the program starts afterwards.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from jobwarden.sources.framing import new_nonce
from jobwarden.transport.base import Transport

PROGRAMS = ("squeue", "sacct", "scontrol", "scancel")

FOLDERS = (
    "/opt/slurm/bin",
    "/opt/slurm/current/bin",
    "/opt/slurm/default/bin",
    "/usr/local/slurm/bin",
    "/usr/local/slurm/current/bin",
    "/usr/local/bin",
    "/usr/slurm/bin",
    "/cm/shared/apps/slurm/current/bin",
    "/cm/local/apps/slurm/current/bin",
    "/apps/slurm/bin",
    "/sw/slurm/bin",
    "/soft/slurm/bin",
)
"""Where sites put it: by a `--prefix` of their own, or by Bright Cluster Manager (/cm)."""

MODULE_INITS = (
    "$MODULESHOME/init/sh",
    "$LMOD_PKG/init/sh",
    "/etc/profile.d/modules.sh",
    "/etc/profile.d/lmod.sh",
    "/etc/profile.d/z00_lmod.sh",
    "/usr/share/modules/init/sh",
    "/usr/share/lmod/lmod/init/sh",
)
"""What defines `module`; the variables are those of a login shell."""

MODULES = ("slurm", "slurm/current", "slurm-client")

_MOST_S = 60.0
_TRY_S = 6

# Constant text. What login files print is told from our own lines by the nonce.
_LOOK = r"""
nonce=$1; limit=$2; shift 2
say() { printf '\n%s %s %s\n' "$nonce" "$1" "$2"; }
limited() { if command -v timeout >/dev/null 2>&1; then timeout "$limit" "$@"; else "$@"; fi; }
shell=${SHELL:-/bin/sh}
missing=
while [ "$1" != -- ]; do
  path=$(command -v "$1")
  say "has.$1" "$path"
  if [ -z "$path" ] && [ -z "$missing" ]; then missing=$1; fi
  shift
done
shift
say clusters "$SLURM_CLUSTERS"
if [ -n "$missing" ]; then
  try() {
    said=$(limited "$shell" -c "$1
$missing --version >/dev/null 2>&1 && echo $nonce && squeue -h -u \"\$(id -u)\" -o %i >/dev/null 2>&1 && echo answers" \
      </dev/null 2>/dev/null)
    case $said in
      *"$nonce"*answers*) say answers "$1"; say done; exit 0 ;;
      *"$nonce"*) say starts "$1" ;;
    esac
  }
  ask="printf '\n%s\n' $nonce; command -v $missing; printf '%s\n' init=\"\$MODULESHOME\" pkg=\"\$LMOD_PKG\""
  login=$(limited "$shell" -lc "$ask" </dev/null 2>/dev/null)
  login=${login##*"$nonce"}
  MODULESHOME=$(printf '%s' "$login" | sed -n 's/^init=//p')
  LMOD_PKG=$(printf '%s' "$login" | sed -n 's/^pkg=//p')
  there=$(printf '%s' "$login" | sed -n 's:^\(/.*\)/[^/]*$:\1:p' | head -n 1)
  quoted() { printf "'%s'" "$(printf '%s' "$1" | sed "s/'/'\\\\''/g")"; }
  plain() { case $1 in *[!A-Za-z0-9_./+-]*) quoted "$1" ;; *) printf '%s' "$1" ;; esac; }
  if [ -n "$there" ]; then
    try "export PATH=$(plain "$there"):\$PATH"
    try ". /etc/profile"
  fi
  kind=folder
  for word in "$@"; do
    case $kind.$word in
      *.--) if [ "$kind" = folder ]; then kind=init; inits=; else kind=module; fi ;;
      folder.*) folders="$folders $word" ;;
      init.*)
        case $word in '$MODULESHOME'*) word=$MODULESHOME/${word#*/} ;; '$LMOD_PKG'*) word=$LMOD_PKG/${word#*/} ;; esac
        if [ -r "$word" ]; then inits="$inits $word"; fi ;;
      module.*) for init in $inits; do try ". $(plain "$init") && module load $word"; done ;;
    esac
  done
  for folder in $folders; do
    if [ -x "$folder/$missing" ]; then try "export PATH=$folder:\$PATH"; fi
  done
fi
say done
"""


@dataclass(frozen=True, slots=True)
class Found:
    """What a host has.

    Attributes:
        paths: Program to where the shell of our commands finds it; empty when it does not.
        prelude: What makes it find them, tried out; empty where nothing did, or nothing is missing.
        answers: Whether squeue has answered with that prelude; otherwise it only starts (the scheduler may be down).
        clusters: SLURM_CLUSTERS, as the user's own files set it there.
    """

    paths: dict[str, str]
    prelude: str = ""
    answers: bool = False
    clusters: str = ""

    @property
    def missing(self) -> list[str]:
        """The programs that are not found."""
        return [name for name in PROGRAMS if not self.paths.get(name)]


async def find_slurm(
    transport: Transport,
    *,
    folders: Sequence[str] = FOLDERS,
    inits: Sequence[str] = MODULE_INITS,
    modules: Sequence[str] = MODULES,
) -> Found:
    """Look for Slurm's programs on a host, and for what would make a non-interactive shell find them.

    Args:
        transport: Asks there, with the prelude that is configured already.
        folders: Where they may lie.
        inits: Files that may define `module`.
        modules: Which modules may bring them.

    Raises:
        As `Transport.run`.
    """
    nonce = new_nonce()
    words = (*PROGRAMS, "--", *folders, "--", *inits, "--", *modules)
    done = await transport.run(["sh", "-c", _LOOK, "sh", nonce, str(_TRY_S), *words], timeout_s=_MOST_S)
    said: dict[str, str] = {}
    for found in re.finditer(rf"^{nonce} (\S+) (.*)$", done.stdout.decode("utf-8", "replace"), re.MULTILINE):
        said.setdefault(found[1], found[2].strip())
    return Found(
        paths={name: said.get(f"has.{name}", "") for name in PROGRAMS},
        prelude=said.get("answers") or said.get("starts", ""),
        answers="answers" in said,
        clusters=said.get("clusters", ""),
    )
