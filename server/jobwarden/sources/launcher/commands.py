"""What is run on the launcher's machine: one command for all experiments, whatever their number.

It reads nemo-run's records and the launcher's output, and, where an experiment has or may have tasks on that machine,
which processes write those tasks' log files: a process is known by the very file that its launcher gave it for its
output, so no reused pid is taken for it. Linux only; elsewhere the process table says nothing, and that is told.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from jobwarden.sources.framing import framed_argv

MARK = ".jobwarden-cancelled"
"""In an experiment's folder: that we ended its local tasks."""

CONTROL = "_CONFIG"
"""A file of every experiment that we hold open ourselves while we look who has its files open: the proof of a look."""

_FUNCTIONS = r"""
records='id=$1 name=$2; shift 2; last=
for home do
  file=$home/$name
  [ "$home" != "$last" ] && [ -e "$file" ] || continue
  last=$home
  if [ "$name" = .slurm_jobs ]; then grep -h -F -e "/$id/" -- "$file"; else
    if grep -q -F -e "/$id/" -- "$file"; then head -c 4000000 "$file"; else [ $? -eq 1 ]; fi; fi
  [ $? -le 1 ] || exit 2
done; exit 0'
holders='exec 3<"$1/_CONFIG" || exit 2
find /proc/[0-9]*/fd \( -perm -u+w \( -lname "*/$2/*" -o -lname "$3" \) -o -lname "*/$2/_CONFIG" \) \
  -printf "%p %l\n" 2>/dev/null; exit 0'
"""

_LOOK = r"""
default=${HOME:-/}/.nemo_run
part clock date +%s
part machine cat /etc/machine-id
part boot cat /proc/sys/kernel/random/boot_id
part namespace readlink /proc/self/ns/pid
while [ $# -gt 0 ]; do
  n=$1 id=$2 home=${3:-$default} out=$4 head=$5; shift 5
  folder=$home/experiments/${id%_*}/$id
  part "home.$n" printf %s "$home"
  part "tasks.$n" head -c 4000000 "$folder/_TASKS"
  part "slurm.$n" sh -c "$records" sh "$id" .slurm_jobs "$home" "$default"
  part "local.$n" sh -c "$records" sh "$id" .local_jobs.json "$home" "$default"
  if [ -d "$folder" ]; then
    part "results.$n" find "$folder" -mindepth 4 -maxdepth 4 -name SUCCESS -type f -size -256k -exec cat {} +
    part "mark.$n" sh -c 'if [ -e "$1" ]; then head -c 4096 "$1"; fi' sh "$folder/.jobwarden-cancelled"
    submitted=$(sh -c "$records" sh "$id" .slurm_jobs "$home" "$default" 2>/dev/null | grep -c .)
    scripts=$(find "$folder" -maxdepth 1 -name '*_sbatch.sh' | grep -c .)
    begun=$(sh -c "$records" sh "$id" .local_jobs.json "$home" "$default" 2>/dev/null | grep -c .)
    if [ "$begun" -gt 0 ] || [ "$submitted" -eq 0 ] || [ "$submitted" -lt "$scripts" ]; then
      part "holders.$n" sh -c "$holders" sh "$folder" "$id" "${out:-/nowhere}"
    fi
  fi
  if [ -n "$out" ]; then
    part "written.$n" stat -c %Y -- "$out"
    part "tail.$n" tail -c 65536 "$out"
    if [ -n "$head" ] || ! [ -d "$folder" ]; then part "head.$n" head -c 1048576 "$out"; fi
  fi
done
jw_done
"""

_FIND = r"""
id=$1; shift
for home in "$@"; do
  if [ -e "$home/experiments/${id%_*}/$id/_CONFIG" ]; then part home printf %s "$home"; break; fi
done
jw_done
"""

_LIST = r"""
n=0
for home in "$@" "${NEMORUN_HOME:-}" "${HOME:-/}/.nemo_run"; do
  case $home in /*) ;; *) continue ;; esac
  [ -d "$home/experiments" ] || continue
  n=$((n + 1))
  part "home.$n" printf %s "$home"
  part "ids.$n" find "$home/experiments" -mindepth 2 -maxdepth 2 -type d -name '*_[0-9]*' -printf '%f\n'
done
jw_done
"""

# A task's process is one whose stdout or stderr is that task's log; its launcher writes that log as another file. Who
# merely reads it (tail -f) is neither. The launcher goes first, for one of a sequence would start the next task.
_CANCEL = r"""
folder=$1 grace=$2
who='id=${1##*/}; if [ "$2" = tasks ]; then set -- -name 1 -o -name 2; else set -- ! -name 1 ! -name 2; fi
find /proc/[0-9]*/fd -uid "$(id -u)" -perm -u+w \( "$@" \) -lname "*/$id/*/nemo_run/*" -printf "%p\n" 2>/dev/null |
  cut -d/ -f3 | sort -u'
end() {
  for pid in $(sh -c "$who" sh "$folder" launcher); do kill -s "$1" "$pid" 2>/dev/null; done
  for pid in $(sh -c "$who" sh "$folder" tasks); do
    group=$(sed 's/.*) //' "/proc/$pid/stat" 2>/dev/null | cut -d' ' -f3)
    [ -n "$group" ] && [ "$group" -gt 1 ] && kill -s "$1" -- "-$group" 2>/dev/null
  done
}
date +%s >"$folder/.jobwarden-cancelled" || exit 1
end TERM
while [ "$grace" -gt 0 ] && [ -n "$(sh -c "$who" sh "$folder" tasks)" ]; do sleep 1; grace=$((grace - 1)); done
end KILL
left=$(sh -c "$who" sh "$folder" tasks)
part left printf %s "$left"
jw_done
"""


@dataclass(frozen=True, slots=True)
class Place:
    """Where one experiment's files are.

    Attributes:
        experiment: Its id.
        home: nemo-run's home; empty: its default.
        output: The file that its launcher prints into; empty where that is not known.
        proven: Whether that file is known to speak of this experiment.
    """

    experiment: str
    home: str = ""
    output: str = ""
    proven: bool = False

    @property
    def words(self) -> tuple[str, ...]:
        """As `_LOOK` takes them, after its number."""
        return self.experiment, self.home, self.output, "" if self.proven else "head"


def look_argv(nonce: str, places: Sequence[Place], *, limit_s: float) -> list[str]:
    """Ask about these experiments.

    Parts: `clock`, `machine`, `boot`, `namespace`; and for the n-th `home.n`, `tasks.n`, `slurm.n`, `local.n`,
    `results.n`, `mark.n`, `holders.n`, `written.n`, `tail.n`, `head.n`.
    """
    words = [word for n, one in enumerate(places) for word in (str(n), *one.words)]
    return framed_argv(_FUNCTIONS + _LOOK, nonce, *words, limit_s=limit_s)


def find_argv(nonce: str, experiment: str, homes: Sequence[str], *, limit_s: float) -> list[str]:
    """Look which of these homes has the experiment (part `home`; absent where none has)."""
    return framed_argv(_FIND, nonce, experiment, *homes, limit_s=limit_s)


def list_argv(nonce: str, homes: Sequence[str], *, limit_s: float) -> list[str]:
    """List the experiments in these homes, `$NEMORUN_HOME` and the default: parts `home.n`, and `ids.n` in lines."""
    return framed_argv(_LIST, nonce, *homes, limit_s=limit_s)


def cancel_argv(nonce: str, folder: str, *, grace_s: float, limit_s: float) -> list[str]:
    """End the local tasks of the experiment in this folder, and their launcher (part `left`: who is alive still)."""
    return framed_argv(_CANCEL, nonce, folder, str(max(1, int(grace_s))), limit_s=limit_s)
