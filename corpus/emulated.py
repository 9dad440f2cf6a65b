"""squeue, sacct and scontrol as they answered at one moment of a recording. Standard library only.

What is not recorded is not invented: an option or field that this does not know raises NotEmulatedError.
"""

from __future__ import annotations

import getopt
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

Row = Mapping[str, str]
Answer = tuple[int, str, str]

PROGRAMS = ("squeue", "sacct", "scontrol")
SQUEUE, SACCT, SCONTROL = PROGRAMS
UTC = timezone.utc  # noqa: UP017 -- runs on whatever Python 3 a project has

INVALID = "slurm_load_jobs error: Invalid job id specified\n"
OVER = (
    "COMPLETED", "CANCELLED", "FAILED", "TIMEOUT", "NODE_FAIL", "PREEMPTED", "BOOT_FAIL", "DEADLINE", "OUT_OF_MEMORY",
    "REVOKED",
)  # fmt: skip
"""What squeue leaves out unless it is asked for by `-t`."""
SHORT = {
    "PD": "PENDING", "R": "RUNNING", "S": "SUSPENDED", "CD": "COMPLETED", "CA": "CANCELLED", "F": "FAILED",
    "TO": "TIMEOUT", "NF": "NODE_FAIL", "PR": "PREEMPTED", "BF": "BOOT_FAIL", "DL": "DEADLINE", "OOM": "OUT_OF_MEMORY",
    "CG": "COMPLETING", "CF": "CONFIGURING", "RQ": "REQUEUED", "RH": "REQUEUE_HOLD", "ST": "STOPPED",
    "SE": "SPECIAL_EXIT", "RV": "REVOKED",
}  # fmt: skip

_QUEUE_LETTERS = {
    "i": ("id", "JOBID"), "A": ("raw", "JOBID"), "F": ("array", "ARRAY_JOB_ID"), "K": ("task", "ARRAY_TASK_ID"),
    "T": ("state", "STATE"), "t": ("short", "ST"), "u": ("user", "USER"), "U": ("uid", "UID"), "g": ("group", "GROUP"),
    "a": ("account", "ACCOUNT"), "V": ("submit", "SUBMIT_TIME"), "S": ("start", "START_TIME"),
    "e": ("end", "END_TIME"), "l": ("time_limit", "TIME_LIMIT"), "P": ("partition", "PARTITION"), "q": ("qos", "QOS"),
    "N": ("nodes", "NODELIST"), "D": ("node_count", "NODES"), "C": ("cpus", "CPUS"), "B": ("batch_host", "EXEC_HOST"),
    "r": ("reason", "REASON"), "R": ("nodes_or_reason", "NODELIST(REASON)"), "E": ("dependency", "DEPENDENCY"),
    "Z": ("work_dir", "WORK_DIR"), "o": ("command", "COMMAND"), "k": ("comment", "COMMENT"), "j": ("name", "NAME"),
    "M": ("used", "TIME"),
}  # fmt: skip
_QUEUE_WORDS = {
    "jobarrayid": "i", "jobid": "A", "arrayjobid": "F", "arraytaskid": "K", "state": "T", "statecompact": "t",
    "username": "u", "userid": "U", "groupname": "g", "account": "a", "submittime": "V", "starttime": "S",
    "endtime": "e", "timelimit": "l", "partition": "P", "qos": "q", "nodelist": "N", "numnodes": "D", "numcpus": "C",
    "batchhost": "B", "reason": "r", "reasonlist": "R", "dependency": "E", "workdir": "Z", "command": "o",
    "comment": "k", "name": "j", "timeused": "M",
}  # fmt: skip
_QUEUE_DEFAULT = "%.18i %.9P %.8j %.8u %.2t %.10M %.6D %R"
_QUEUE_OPTIONS = (
    "ahrlj:u:t:o:O:n:p:M:S:",
    (
        "all", "noheader", "array", "me", "jobs=", "user=", "states=", "format=", "Format=", "name=", "partition=",
        "clusters=", "sort=", "local", "noconvert",
    ),
)  # fmt: skip
_ACCOUNT_WIDTHS = {
    "JobID": 12, "JobIDRaw": 12, "State": 10, "ExitCode": 8, "JobName": 10, "Partition": 10, "Account": 10, "User": 9,
    "AllocCPUS": 10, "DerivedExitCode": 15, "Submit": 19, "Start": 19, "End": 19, "Eligible": 19, "Elapsed": 10,
    "NodeList": 15, "NNodes": 8, "WorkDir": 20, "Timelimit": 10, "UID": 6, "Group": 9, "QOS": 10, "Comment": 14,
}  # fmt: skip
_ACCOUNT_DEFAULT = "JobID,JobName,Partition,Account,AllocCPUS,State,ExitCode"
_ACCOUNT_OPTIONS = (
    "aXDnpPbj:o:u:s:S:E:M:",
    (
        "allusers", "allocations", "duplicates", "noheader", "parsable", "parsable2", "brief", "jobs=", "format=",
        "user=", "state=", "starttime=", "endtime=", "clusters=", "delimiter=", "noconvert", "local",
    ),
)  # fmt: skip
_TIMES = frozenset({"submit", "start", "end", "Submit", "Start", "End", "Eligible"})


class NotEmulatedError(Exception):
    """This command, option or field is not known here: the recording cannot say what the program would answer."""


class Ask:
    """Answers command lines as the programs did at one moment.

    Attributes:
        now: The time, in epoch seconds; the cluster's own clock (`date`) may be off.
    """

    def __init__(self, recording: Mapping[str, Any], moment: Mapping[str, Any]) -> None:
        """Take a recording and one of its moments, with every program's answer in it (see `replay.moments`)."""
        self.now: float = recording["began"] + moment["at"]
        self._recording = recording
        self._moment = moment

    def __call__(self, argv: Sequence[str], env: Mapping[str, str] | None = None) -> Answer:
        """Run a command line.

        Args:
            argv: Program and arguments, no shell.
            env: Its environment; SLURM_TIME_FORMAT and TZ=UTC are heeded, everything else is passed over.

        Returns:
            Exit status, stdout, stderr.

        Raises:
            NotEmulatedError: See there.
        """
        program, *words = argv
        simple = self._simple(program, words)
        if simple is not None:
            return 0, simple, ""
        if program not in PROGRAMS:
            raise NotEmulatedError(f"{program} is not among {', '.join(PROGRAMS)}")
        said: Mapping[str, Any] = self._moment[program]
        if said.get("missing"):
            return 127, "", f"sh: 1: {program}: not found\n"
        if "exit" in said:
            return int(said["exit"]), "", f"{said['stderr']}\n" if said["stderr"] else ""
        answers: dict[str, Callable[[Mapping[str, Any], Sequence[str], Mapping[str, str]], Answer]]
        answers = {SQUEUE: self._squeue, SACCT: self._sacct, SCONTROL: self._scontrol}
        status, out, err = answers[program](said, words, env or {})
        if said.get("torn"):
            return 255, out[: len(out) * 2 // 3], "Connection closed by remote host\n"
        return status, out, err

    def _simple(self, program: str, words: Sequence[str]) -> str | None:
        login = self._recording["login"]
        if words and words[0] in ("-V", "--version") and program in PROGRAMS:
            return f"slurm {self._recording['slurm']}\n"
        known = {
            "id -un": login["user"],
            "whoami": login["user"],
            "id -u": login["uid"],
            "date +%s": int(self.now) + self._recording.get("clock_off_s", 0),
        }
        found = known.get(" ".join((program, *words)))
        return None if found is None else f"{found}\n"

    # -- squeue

    def _squeue(self, said: Mapping[str, Any], words: Sequence[str], env: Mapping[str, str]) -> Answer:
        given = _options(words, *_QUEUE_OPTIONS)
        wanted = _listed(given, "-j", "--jobs")
        rows: list[Row] = list(said["rows"])
        if wanted:
            found = [row for row in rows if any(_names(one, row["id"], row["raw"]) for one in wanted)]
            if len(wanted) == 1 and not found:
                return 1, "", INVALID
            rows = found
        users = _listed(given, "-u", "--user")
        if "--me" in given:
            users = [str(self._recording["login"]["user"])]
        if users:
            rows = [row for row in rows if row.get("user") in users or row.get("uid") in users]
        names, partitions = _listed(given, "-n", "--name"), _listed(given, "-p", "--partition")
        rows = [row for row in rows if not names or row.get("name") in names]
        rows = [row for row in rows if not partitions or row.get("partition") in partitions]
        states = [SHORT.get(one.upper(), one.upper()) for one in _listed(given, "-t", "--states")]
        if not states:
            rows = [row for row in rows if row["state"] not in OVER]
        elif "ALL" not in states:
            rows = [row for row in rows if row["state"] in states]
        if "-r" in given or "--array" in given:
            rows = [one for row in rows for one in _exploded(row)]
        return 0, self._queue_text(rows, given, env), ""

    def _queue_text(self, rows: Sequence[Row], given: Mapping[str, str], env: Mapping[str, str]) -> str:
        shape = given.get("-o", given.get("--format", _QUEUE_DEFAULT))
        pieces = _queue_pieces(shape)
        words = given.get("-O", given.get("--Format"))
        if words is not None:
            pieces = _queue_word_pieces(words)
        lines = [] if "-h" in given or "--noheader" in given else ["".join(_filled(one, None) for one in pieces)]
        for row in rows:
            shown = dict(row) | {"used": self._used(row)}
            lines.append("".join(_filled(one, _with_times(shown, env)) for one in pieces))
        return "".join(f"{line}\n" for line in lines)

    def _used(self, row: Row) -> str:
        start = row.get("start", "")
        if not start.isdigit() or row["state"] == "PENDING":
            return "0:00"
        end = min(self.now, float(row["end"])) if row.get("end", "").isdigit() else self.now
        seconds = max(0, int(end) - int(start))
        if seconds < 3600:
            return f"{seconds // 60}:{seconds % 60:02d}"
        return f"{seconds // 3600}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"

    # -- sacct

    def _sacct(self, said: Mapping[str, Any], words: Sequence[str], env: Mapping[str, str]) -> Answer:
        given = _options(words, *_ACCOUNT_OPTIONS)
        rows = self._account_rows(said, given)
        columns = [_column(one) for one in given.get("-o", given.get("--format", _ACCOUNT_DEFAULT)).split(",") if one]
        if "-b" in given or "--brief" in given:
            columns = [_column(one) for one in ("JobID", "State", "ExitCode")]
        parsable = next((one for one in ("-P", "--parsable2", "-p", "--parsable") if one in given), None)
        lines: list[Sequence[str]] = [] if "-n" in given or "--noheader" in given else [[name for name, _ in columns]]
        for row in rows:
            shown = _with_times(dict(row) | {"Elapsed": self._elapsed(row)}, env)
            lines.append([shown.get(name, "") for name, _ in columns])
        if parsable:
            mark = given.get("--delimiter", "|")
            end = mark if parsable in ("-p", "--parsable") else ""
            return 0, "".join(f"{mark.join(line)}{end}\n" for line in lines), ""
        if lines and "-n" not in given and "--noheader" not in given:
            lines.insert(1, ["-" * width for _, width in columns])
        return 0, "".join(_columned(columns, line) for line in lines), ""

    def _account_rows(self, said: Mapping[str, Any], given: Mapping[str, str]) -> list[Row]:
        rows: list[Row] = list(said["rows"])
        wanted = _listed(given, "-j", "--jobs")
        if wanted:
            rows = [row for row in rows if any(_names(one, row["JobID"], row["JobIDRaw"]) for one in wanted)]
        users = _listed(given, "-u", "--user")
        rows = [row for row in rows if not users or row.get("User") in users or row.get("UID") in users]
        if "-D" not in given and "--duplicates" not in given:
            newest = {row["JobIDRaw"]: row for row in sorted(rows, key=_submitted)}
            rows = [row for row in rows if newest[row["JobIDRaw"]] is row]
        states = [SHORT.get(one.upper(), one.upper()) for one in _listed(given, "-s", "--state")]
        rows = [row for row in rows if not states or row["State"].partition(" ")[0] in states]
        if "-X" in given or "--allocations" in given:
            return rows
        steps: Sequence[Row] = said.get("steps", ())
        every: list[Row] = []
        for row in rows:
            every.append(row)
            every += [one for one in steps if _of_run(one, row)]
        return every

    def _elapsed(self, row: Row) -> str:
        start, end = row.get("Start", ""), row.get("End", "")
        if not start.isdigit():
            return "00:00:00"
        return _clock(max(0, (int(end) if end.isdigit() else int(self.now)) - int(start)))

    # -- scontrol

    def _scontrol(self, said: Mapping[str, Any], words: Sequence[str], env: Mapping[str, str]) -> Answer:
        del env
        one_line = any(word in ("-o", "--oneliner") for word in words)
        plain = [word for word in words if not word.startswith("-")]
        if len(plain) not in (2, 3) or plain[0] != "show" or plain[1] not in ("job", "jobs", "jobid", "node"):
            raise NotEmulatedError(f"scontrol {' '.join(words)}")
        if plain[1] == "node":
            return 0, f"NodeName={plain[-1]} NodeHostName=host-{plain[-1]}\n\n", ""
        records = list(said["shown"].values())
        if len(plain) == 3:
            records = [text for text in records if _is_record_of(text, plain[2])]
            if not records:
                return 1, "", INVALID
        if one_line:
            records = [" ".join(line.strip() for line in text.splitlines()) for text in records]
        return 0, "".join(f"{text}\n" if one_line else f"{text}\n\n" for text in records), ""


# -- ids


def _names(wanted: str, shown: str, raw: str) -> bool:
    """Whether an id as given means this row: the job, one of its elements or parts, or its raw number."""
    wanted = wanted.partition(".")[0]
    base = re.match(r"\d+", shown)
    if wanted in (shown, raw.partition("_")[0]) or (base and wanted == base[0]):
        return True
    of_range = re.fullmatch(r"(\d+)_\[([^\]]*)\]?", shown)
    element = re.fullmatch(r"(\d+)_(\d+)", wanted)
    return bool(of_range and element and of_range[1] == element[1] and int(element[2]) in _elements(of_range[2]))


def _elements(text: str) -> list[int]:
    found: list[int] = []
    for piece in text.partition("%")[0].split(","):
        bounds = re.fullmatch(r"(\d+)(?:-(\d+)(?::(\d+))?)?", piece)
        if bounds:
            found += range(int(bounds[1]), int(bounds[2] or bounds[1]) + 1, int(bounds[3] or 1))
    return found


def _exploded(row: Row) -> list[Row]:
    found = re.fullmatch(r"(\d+)_\[([^\]]*)\]?", row["id"])
    if not found:
        return [row]
    return [{**row, "id": f"{found[1]}_{at}", "task": str(at)} for at in _elements(found[2])]


def _is_record_of(text: str, wanted: str) -> bool:
    keys = dict(re.findall(r"(JobId|ArrayJobId|ArrayTaskId|HetJobId|HetJobOffset)=(\S+)", text))
    if wanted in (keys["JobId"], keys.get("ArrayJobId"), keys.get("HetJobId")):
        return True
    base, _, element = wanted.partition("_")
    if element.isdigit() and keys.get("ArrayJobId") == base:
        return int(element) in _elements(keys.get("ArrayTaskId", ""))
    return wanted == f"{keys.get('HetJobId')}+{keys.get('HetJobOffset')}"


def _of_run(step: Row, row: Row) -> bool:
    same = step["JobID"].rpartition(".")[0] == row["JobID"]
    return same and int(step.get("Submit", "0") or 0) >= int(_submitted(row))


def _submitted(row: Row) -> float:
    text = row.get("Submit", "")
    return float(text) if text.isdigit() else 0.0


# -- words and columns


def _options(words: Sequence[str], short: str, long: Sequence[str]) -> dict[str, str]:
    try:
        given, rest = getopt.gnu_getopt(list(words), short, list(long))
    except getopt.GetoptError as error:
        raise NotEmulatedError(str(error)) from error
    if rest:
        raise NotEmulatedError(f"what {rest} would mean")
    return dict(given)


def _listed(given: Mapping[str, str], *names: str) -> list[str]:
    text = next((given[name] for name in names if name in given), "")
    # A comma inside brackets is part of an id.
    return [one for one in re.split(r",(?![^\[]*\])", text) if one]


Piece = tuple[str, str, str, int, bool]
"""Literal text, or (after an empty literal) column, header, width (0: as it is) and whether it stands to the right."""


def _queue_pieces(shape: str) -> list[Piece]:
    pieces: list[Piece] = []
    for found in re.finditer(r"%(\.?)(\d*)([A-Za-z])|((?:[^%]|%(?!\.?\d*[A-Za-z]))+)", shape):
        if found[4]:
            pieces.append((found[4], "", "", 0, False))
            continue
        if found[3] not in _QUEUE_LETTERS:
            raise NotEmulatedError(f"squeue -o %{found[3]}")
        column, header = _QUEUE_LETTERS[found[3]]
        pieces.append(("", column, header, int(found[2] or 0), bool(found[1])))
    return pieces


def _queue_word_pieces(words: str) -> list[Piece]:
    pieces: list[Piece] = []
    for one in words.split(","):
        name, _, width = one.strip().partition(":")
        letter = _QUEUE_WORDS.get(name.lower())
        if letter is None or not (width or "20").isdigit():
            raise NotEmulatedError(f"squeue -O {one}")
        column, header = _QUEUE_LETTERS[letter]
        pieces.append(("", column, header, int(width or 20), False))
    return pieces


def _filled(piece: Piece, row: Row | None) -> str:
    literal, column, header, width, right = piece
    if literal:
        return literal
    text = header if row is None else row.get(column, "")
    if not width:
        return text
    return text[:width].rjust(width) if right else text[:width].ljust(width)


def _column(text: str) -> tuple[str, int]:
    name, _, width = text.partition("%")
    known = next((one for one in _ACCOUNT_WIDTHS if one.lower() == name.strip().lower()), None)
    if known is None:
        raise NotEmulatedError(f"sacct -o {name}")
    return known, int(width) if width else _ACCOUNT_WIDTHS[known]


def _columned(columns: Sequence[tuple[str, int]], line: Sequence[str]) -> str:
    cells: list[str] = []
    for (name, width), value in zip(columns, line, strict=True):
        text = value if len(value) <= abs(width) else value[: abs(width) - 1] + "+"
        left = width < 0 or name in ("JobID", "JobIDRaw")
        cells.append(text.ljust(abs(width)) if left else text.rjust(width))
    return " ".join(cells) + " \n"


def _with_times(row: Mapping[str, str], env: Mapping[str, str]) -> dict[str, str]:
    shape = env.get("SLURM_TIME_FORMAT", "")
    if shape == "%s":
        return dict(row)
    shape = "%Y-%m-%dT%H:%M:%S" if shape in ("", "standard") else shape
    return {name: _moment(value, shape) if name in _TIMES else value for name, value in row.items()}


def _moment(value: str, shape: str) -> str:
    return datetime.fromtimestamp(int(value), UTC).strftime(shape) if value.isdigit() else value


def _clock(seconds: int) -> str:
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
