"""What is run on a host to ask about its Slurm jobs: pure builders of argument lists.

Why these forms (measured on 22.05.8):

- `squeue -u UID` is answered by slurmctld with that user's jobs alone (REQUEST_JOB_USER_INFO); `squeue -j A,B` makes
  it send the whole table. It takes no ids, so it is the same question for any number of jobs and sessions, has no
  length to grow, and knows neither "Invalid job id" nor the difference between one id and several.
- `-a`: without it jobs in hidden partitions are left out. `-t all`: with jobs that have ended and are remembered.
- `--json` is not used: it ignores every filter, reports exit code 0 for jobs that failed, and exits 0 in an outage.
- `sacct -D` lists every run of a requeued job; `-X` leaves the steps out. Free text comes last, the separator is a
  nonce, so that no name can break a record.
- Times are asked for as epoch seconds: they follow neither the user's time zone nor SLURM_TIME_FORMAT.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from jobwarden.sources.framing import framed_argv

QUEUE_FIELDS = ("%i", "%A", "%U", "%u", "%T", "%V", "%S", "%e", "%P", "%B", "%N")
QUEUE_TEXTS = ("%r", "%Z", "%j")
"""Free text: reason (slurmctld's own sentence at times), working directory, name."""

ACCOUNT_FIELDS = (
    "JobIDRaw", "JobID", "User", "State", "ExitCode", "DerivedExitCode", "Submit", "Start", "End", "Partition",
    "NodeList", "WorkDir", "JobName",
)  # fmt: skip
"""All known to sacct of Slurm 20.11 and later."""

_SETUP = r"""
unset SQUEUE_ACCOUNT SQUEUE_ALL SQUEUE_ARRAY SQUEUE_ARRAY_UNIQUE SQUEUE_CLUSTERS SQUEUE_FEDERATION SQUEUE_FORMAT
unset SQUEUE_FORMAT2 SQUEUE_LICENSES SQUEUE_LOCAL SQUEUE_NAMES SQUEUE_PARTITION SQUEUE_PRIORITY SQUEUE_QOS
unset SQUEUE_SIBLING SQUEUE_SORT SQUEUE_STATES SQUEUE_USERS SQUEUE_JSON SQUEUE_YAML SQUEUE_EXPAND_PATTERNS
unset SACCT_FORMAT SACCT_FEDERATION SACCT_LOCAL SACCT_DELIMITER SACCT_JSON SACCT_YAML
unset SCONTROL_ALL SCONTROL_FEDERATION SCONTROL_FUTURE SCONTROL_LOCAL SCONTROL_SIBLING SCONTROL_JSON SCONTROL_YAML
unset SCANCEL_ACCOUNT SCANCEL_BATCH SCANCEL_CRON SCANCEL_CTLD SCANCEL_FULL SCANCEL_HURRY SCANCEL_INTERACTIVE
unset SCANCEL_NAME SCANCEL_PARTITION SCANCEL_QOS SCANCEL_STATE SCANCEL_USER SCANCEL_VERBOSE SCANCEL_WCKEY
unset SLURM_CLUSTERS SLURM_DEBUG SLURM_DEBUG_FLAGS SLURM_JSON SLURM_YAML LC_TIME LC_MESSAGES LANGUAGE
LC_ALL=C TZ=UTC0 SLURM_TIME_FORMAT=%s SLURM_BITSTR_LEN=0
export LC_ALL TZ SLURM_TIME_FORMAT SLURM_BITSTR_LEN
jw_cluster=$1; shift
ask() {
  jw_name=$1 jw_program=$2; shift 2
  if [ -n "$jw_cluster" ]; then set -- -M "$jw_cluster" "$@"; fi
  part "$jw_name" "$jw_program" "$@"
}
ask_sacct() { ask sacct sacct -n -P -X -D "--delimiter=$jw_nonce" -o "$1" -j "$2"; }
"""
"""Nothing of the user's environment changes an answer; `ask PART PROGRAM WORDS` adds the cluster, the first word."""

_LOOK = r"""
format=$1 ids=$2 fields=$3
look() {
  jw_uid=$(id -u)
  plain_part user "$(id -un)"
  plain_part uid "$jw_uid"
  plain_part clock "$(date +%s)"
  ask squeue squeue -h -a -t all -u "$jw_uid" -o "$format"
}
if [ -n "$ids" ]; then
  ask_sacct "$fields" "$ids" | { look </dev/null; plain_part later "$(date +%s)"; cat; }
else
  look
fi
jw_done
"""
"""sacct spends most of its time waiting for slurmdbd, so that squeue is asked meanwhile; `cat` puts its part after
squeue's. What it prints beyond a pipe's room waits for that."""

_DETAIL = r"""
fields=$1 ids=$2; shift 2
for id in "$@"; do ask "job.$id" scontrol show job "$id"; done
if [ -n "$ids" ]; then ask_sacct "$fields" "$ids"; fi
jw_done
"""

_BY_ID = r"""
format=$1 ids=$2; shift 2
if [ -n "$ids" ]; then ask squeue squeue -h -a -t all -j "$ids" -o "$format"; fi
for entity in "$@"; do ask "${entity%%=*}.${entity#*=}" scontrol show "${entity%%=*}" "${entity#*=}"; done
jw_done
"""

_CANCEL = r"""
ask scancel scancel "$@"
jw_done
"""


def queue_format(nonce: str) -> str:
    """Give the format of one squeue record: fields by `|`, then free texts, each after the nonce."""
    return f"{nonce}|" + "|".join(QUEUE_FIELDS) + "".join(nonce + text for text in QUEUE_TEXTS)


def look_argv(nonce: str, *, account: Sequence[int] = (), cluster: str, limit_s: float) -> list[str]:
    """Ask for all jobs of the login user: parts `user`, `uid`, `clock`, `squeue`.

    And at the same time ask sacct about these ids: part `sacct`, and `later`, the clock after squeue's answer.
    """
    ids = ",".join(str(one) for one in account)
    words = (queue_format(nonce), ids, ",".join(ACCOUNT_FIELDS))
    return _framed(_LOOK, nonce, *words, cluster=cluster, limit_s=limit_s)


def detail_argv(nonce: str, *, account: Sequence[int], show: Sequence[str], cluster: str, limit_s: float) -> list[str]:
    """Ask sacct about these ids (part `sacct`) and scontrol about those (parts `job.ID`).

    Neither is run for an empty list: `sacct -j ''` means every job of the user.
    """
    ids = ",".join(str(one) for one in account)
    return _framed(_DETAIL, nonce, ",".join(ACCOUNT_FIELDS), ids, *show, cluster=cluster, limit_s=limit_s)


def by_id_argv(
    nonce: str, *, ids: Sequence[int], show: Sequence[int], nodes: Sequence[str], cluster: str, limit_s: float
) -> list[str]:
    """Ask squeue about jobs by their ids, whosever they are (part `squeue`).

    And scontrol about some of them once more (parts `job.ID`), and about nodes (parts `node.NAME`).

    A single id is given twice: squeue exits 1 for one unknown id, and passes over one among several.
    """
    listed = list(ids) * 2 if len(ids) == 1 else list(ids)
    text = ",".join(str(one) for one in listed)
    entities = [*(f"job={one}" for one in show), *(f"node={one}" for one in nodes)]
    return _framed(_BY_ID, nonce, queue_format(nonce), text, *entities, cluster=cluster, limit_s=limit_s)


def cancel_argv(nonce: str, *, ids: Sequence[str], cluster: str, limit_s: float) -> list[str]:
    """Ask for the end of these jobs (part `scancel`).

    Raises:
        ValueError: The list is empty.
    """
    if not ids:
        raise ValueError("scancel needs an id")
    return _framed(_CANCEL, nonce, *ids, cluster=cluster, limit_s=limit_s)


def question(program: str, *words: str, cluster: str = "") -> str:
    """Write a command as evidence shows it."""
    return shlex.join([program, *(("-M", cluster) if cluster else ()), *words])


def _framed(body: str, nonce: str, *words: str, cluster: str, limit_s: float) -> list[str]:
    return framed_argv(_SETUP + body, nonce, cluster, *words, limit_s=limit_s)


def slurm_argv(body: str, nonce: str, *words: str, cluster: str, limit_s: float) -> list[str]:
    """Build a question of another form: `body` calls `ask PART PROGRAM WORDS` and, last, `jw_done`."""
    return _framed(body, nonce, *words, cluster=cluster, limit_s=limit_s)
