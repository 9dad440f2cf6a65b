"""Submitting a Slurm job again: what is run on its host, and what is read out of the answers. Pure.

Measured on 22.05.8: the comment of a job is in squeue at once (`%k`), in sacct only when it has ended and where the
site keeps comments; its submit line, with the comment in it, is in sacct as soon as sacct knows the job (21.08 and
later). Before that sacct may have its steps, and shows them as a job without a partition, a submit line or resources,
for up to 5 seconds. `--dependency=afterany` on a job that Slurm has forgotten is taken as fulfilled.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from jobwarden.sources.errors import SourceUnavailableError, UnreadableAnswerError
from jobwarden.sources.framing import Part, framed_argv
from jobwarden.sources.resubmitting import NotAgainError, Original
from jobwarden.sources.slurm import commands
from jobwarden.sources.slurm.reading import MAYBE, no_accounting
from jobwarden.sources.slurm.stored import script_of
from jobwarden.sources.slurm.submit_line import comment_with, read_submit_line, without_memory
from jobwarden.sources.submitting import Submission

FIELDS = (
    "JobIDRaw", "User", "ReqTRES", "AllocTRES", "TimelimitRaw", "WorkDir", "JobName", "Partition", "SubmitLine",
)  # fmt: skip

_ORIGINAL = r"""
fields=$1 id=$2
ask line sacct -n -P -X "--delimiter=$jw_nonce" -o "$fields" -j "$id"
ask script scontrol write batch_script "$id" -
ask stored sacct -B -j "$id"
ask show scontrol show job "$id"
jw_done
"""

# Without the settings of a question: what is set here is the new job's environment.
_SUBMIT = r"""
jw_cluster=$1 token=$2 folder=$3 needs=$4; shift 4
if [ -n "$jw_cluster" ]; then jw_where="--clusters=$jw_cluster"; else jw_where=""; fi
if jw_said=$(squeue ${jw_where:+"$jw_where"} -h -a -t all -u "$(id -u)" -o "jw-id:%F %k" 2>&1); then
  jw_gone=""
  for jw_id in $needs; do case $jw_said in *"jw-id:$jw_id "*) ;; *) jw_gone=$jw_id;; esac; done
  case $jw_said in
    *"$token"*) plain_part there yes;;
    *) if [ -n "$jw_gone" ]; then plain_part forgotten "$jw_gone"
       elif cd -- "$folder" 2>/dev/null; then
         unset jw_said
         part sbatch sbatch ${jw_where:+"$jw_where"} "$@"
       else
         plain_part folder no
       fi;;
  esac
else
  plain_part unasked "$jw_said"
fi
jw_done
"""

_SUBMITTED = r"""
ask squeue squeue -h -a -t all -u "$(id -u)" -o "%k$jw_nonce%A$jw_nonce"
ask sacct sacct -n -P -X -D -u "$(id -u)" -S "now-$1minutes" "--delimiter=$jw_nonce" -o SubmitLine,JobIDRaw
ask ended sacct -n -P -X -D -u "$(id -u)" -S "now-$1minutes" -E now+60minutes -s CA,DL,F "--delimiter=$jw_nonce" \
  -o SubmitLine,JobIDRaw
jw_done
"""

_COMMAND = re.compile(r"^ +Command=(?P<text>.*)$", re.MULTILINE)
_MEMORY = re.compile(r"(?:^|,)mem=(?P<number>\d+(?:\.\d+)?)(?P<unit>[KMGTPkmgtp]?)(?:,|$)")
_MIB = {"": 1.0, "K": 1 / 1024, "M": 1.0, "G": 1024.0, "T": 1024.0**2, "P": 1024.0**3}
_ID = re.compile(r"(?P<id>[1-9]\d{0,9})(?:;[\w.-]+)?\s*\Z")


def original_argv(nonce: str, job: int, *, cluster: str, limit_s: float) -> list[str]:
    """Ask what a job was submitted with (parts `line`, `script`, `stored`, `show`)."""
    return commands.slurm_argv(_ORIGINAL, nonce, ",".join(FIELDS), str(job), cluster=cluster, limit_s=limit_s)


def submit_argv(
    nonce: str, original: Original, changes: Sequence[str], token: str, *, cluster: str, limit_s: float
) -> list[str]:
    """Submit it; the script is the standard input."""
    words = [
        "--parsable",
        *without_memory(original.options, changes),
        *changes,
        f"--job-name={original.name}",
        f"--chdir={original.work_dir}",
        f"--comment={comment_with(original.comment, token)}",
        *([f"--dependency=afterany:{original.id}"] if original.alive else []),
        "/dev/stdin",
        *original.arguments,
    ]
    return framed_argv(_SUBMIT, nonce, cluster, token, original.work_dir, "", *words, limit_s=limit_s)


def submit_script_argv(nonce: str, submission: Submission, token: str, *, cluster: str, limit_s: float) -> list[str]:
    """Submit a script, which is the standard input; answered and read as `submit_argv`."""
    words = [
        "--parsable",
        *submission.options,
        f"--job-name={submission.name}",
        f"--chdir={submission.work_dir}",
        f"--comment={comment_with(submission.comment, token)}",
        *([f"--dependency={','.join(submission.after)}"] if submission.after else []),
        "/dev/stdin",
        *submission.arguments,
    ]
    needs = " ".join(re.findall(r"\d+", " ".join(submission.after)))
    return framed_argv(_SUBMIT, nonce, cluster, token, submission.work_dir, needs, *words, limit_s=limit_s)


def submitted_argv(nonce: str, *, within_s: float, cluster: str, limit_s: float) -> list[str]:
    """Ask for all jobs of the login user with their comments (part `squeue`) and submit lines (`sacct`, `ended`)."""
    minutes = str(int(within_s // 60) + 60)
    return commands.slurm_argv(_SUBMITTED, nonce, minutes, cluster=cluster, limit_s=limit_s)


def read_original(
    parts: Mapping[str, Part], nonce: str, job: int, *, user: str, name: str | None, alive: bool, twins: Sequence[str]
) -> Original:
    """Read what `original_argv` asked.

    Args:
        parts: The answer.
        nonce: Its delimiter.
        job: The id.
        user: The login, whose job it must be.
        name: As it is known already; accounting's has lost what is not latin-1.
        alive: Whether squeue shows it living.
        twins: See `Original.twins`.

    Raises:
        NotAgainError: It is another user's, or what is kept of it is too little.
        SourceUnavailableError: Accounting does not answer, or does not know it yet.
    """
    row = _row(parts, nonce, job)
    if row["User"] != user or not user:
        raise NotAgainError(f"It belongs to {row['User'] or 'nobody known'}, not to {user}.")
    script = _script(parts, job)
    line = read_submit_line(
        row["SubmitLine"], script.decode("utf-8", "replace"), _command(parts), name=name or row["JobName"]
    )
    if not row["WorkDir"].startswith("/"):
        raise NotAgainError("Its working directory is not known.")
    minutes = row["TimelimitRaw"]
    return Original(
        id=str(job),
        name=name or row["JobName"],
        work_dir=row["WorkDir"],
        options=line.options,
        arguments=line.arguments,
        script=script,
        comment=line.comment,
        alive=alive,
        twins=tuple(twins),
        gpus=max(_gpus(row["ReqTRES"]), _gpus(row["AllocTRES"])),  # a whole node is given more than was asked for
        nodes=_resource(row["ReqTRES"], "node") or 1,
        memory_mib=_memory_mib(row["ReqTRES"]),
        time_limit_s=float(minutes) * 60 if minutes.isdigit() else None,
        question=(commands.question("sacct", "-j", str(job), "-o", ",".join(FIELDS)),),
    )


def read_submission(parts: Mapping[str, Part]) -> str | None:
    """Read what `submit_argv` came to; see `Resubmits.submit`."""
    if "there" in parts:
        return None
    if "forgotten" in parts:
        gone = parts["forgotten"].stdout.decode("utf-8", "replace").strip()
        raise NotAgainError(f"Slurm has just forgotten {gone}, and would take what waits for it for fulfilled.")
    if "folder" in parts:
        raise NotAgainError("Its working directory is not there any more.")
    if "unasked" in parts:
        said = parts["unasked"].stdout.decode("utf-8", "replace").strip()
        raise SourceUnavailableError(f"squeue: {said[:300]}", code="slurm.unavailable")
    part = parts.get("sbatch")
    if part is None:
        raise UnreadableAnswerError("The answer has no part of sbatch.")
    said = part.stdout.decode("utf-8", "replace").strip()
    if part.status == 0:
        found = _ID.search(said)
        return found["id"] if found else None
    complaint = part.stderr.strip()
    if part.status in (124, 137) or MAYBE.search(complaint):
        return None
    raise NotAgainError(f"sbatch refused it: {complaint[-400:] or f'exit {part.status}'}")


def read_submitted(parts: Mapping[str, Part], nonce: str, token: str) -> str | None:
    """Find a token's job; see `Resubmits.submitted`."""
    for name in ("squeue", "sacct", "ended"):
        part = parts.get(name)
        text = "" if part is None else part.stdout.decode("utf-8", "replace")
        found = re.search(rf"{re.escape(token)}.*?{nonce}(?P<id>\d+)", text, re.DOTALL)
        if found is not None:
            return found["id"]
        if part is None or (part.status != 0 and not (name != "squeue" and no_accounting(part))):
            said = "no answer" if part is None else part.stderr.strip()[:300] or f"exit {part.status}"
            raise SourceUnavailableError(f"{name}: {said}", code="slurm.unavailable")
    return None


def _row(parts: Mapping[str, Part], nonce: str, job: int) -> dict[str, str]:
    part = parts.get("line")
    if part is not None and no_accounting(part):
        raise NotAgainError("Without accounting nobody knows what it was submitted with.")
    if part is not None and "Invalid field" in part.stderr:
        raise NotAgainError("This Slurm does not keep what a job was submitted with; 21.08 and later do.")
    if part is None or part.status != 0:
        said = "no answer" if part is None else part.stderr.strip()[:300]
        raise SourceUnavailableError(f"sacct, which keeps what it was submitted with: {said}", code="slurm.unavailable")
    pieces = part.stdout.decode("utf-8", "replace").removesuffix("\n").split(nonce)
    if len(pieces) == 1 and not pieces[0].strip():
        raise SourceUnavailableError("Accounting does not know it yet.", code="slurm.accounting_behind")
    if len(pieces) != len(FIELDS) or pieces[0] != str(job):
        raise NotAgainError("It is an array or has several parts, and is not submitted again.")
    row: dict[str, str] = dict(zip(FIELDS, pieces, strict=True))
    if not row["Partition"]:
        raise SourceUnavailableError("Accounting has only its steps yet.", code="slurm.accounting_behind")
    return row


def _script(parts: Mapping[str, Part], job: int) -> bytes:
    live = parts.get("script")
    if live is not None and live.status == 0 and live.stdout.startswith(b"#!"):
        return live.stdout
    stored = parts.get("stored")
    kept = script_of(stored.stdout.decode("utf-8", "surrogateescape"), str(job)) if stored else ""
    if kept.startswith("#!"):
        return kept.encode("utf-8", "surrogateescape")
    raise NotAgainError(
        "Slurm does not keep its script any more.",
        hint="It is kept for minutes after the end, or as long as accounting has it (AccountingStoreFlags=job_script).",
    )


def _command(parts: Mapping[str, Part]) -> str:
    part = parts.get("show")
    found = _COMMAND.search(part.stdout.decode("utf-8", "replace")) if part is not None and part.status == 0 else None
    return found["text"] if found else ""


def _gpus(tres: str) -> int:
    """Count them; a site may count each of its types, and not all of them together."""
    types = {one.partition("=")[0] for one in tres.split(",") if one.startswith("gres/gpu:")}
    return max(_resource(tres, "gres/gpu"), sum(_resource(tres, one) for one in types))


def _memory_mib(tres: str) -> float:
    found = _MEMORY.search(tres)
    return 0.0 if found is None else float(found["number"]) * _MIB[found["unit"].upper()]


def _resource(tres: str, name: str) -> int:
    for one in tres.split(","):
        key, _, number = one.partition("=")
        if key == name and number.isdigit():
            return int(number)
    return 0
