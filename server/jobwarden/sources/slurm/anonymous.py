"""Recordings without what is a site's or a person's own: each name becomes a placeholder, the same throughout a file.

What is kept is kept by an allow-list: columns that are known, reasons and complaints that are Slurm's own sentences.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace

from jobwarden.sources.slurm.recording import Failure, Look, Row, Said, bases

FIRST_ID = 1001
FIRST_UID = 1001
MASKED = "masked"

_EMPTY = frozenset(
    {"", "(null)", "None assigned", "N/A", "n/a", "None", "Unknown", "UNLIMITED", "Partition_Limit", "(None)"}
)
_PLAIN = re.compile(r"[\d:.T+-]{1,32}")
"""Numbers, lengths of time, moments and exit codes. Words are kept by name only."""
_STATE = re.compile(r"(?P<word>[A-Z_]{1,24})(?: by (?P<uid>\d+))?(?P<cut>\+?)")
_ID = re.compile(r"(?P<base>\d+)(?P<rest>(?:[_+]\d+|_\[[\d,:%.-]*\]?)?(?:\.[\w+]{1,12})?)")
_REASON_WORD = re.compile(r"[A-Z][A-Za-z]{1,47}")
_REASONS = (
    "Nodes required for job are DOWN, DRAINED or reserved for jobs in higher priority partitions",
    "launch failed requeued held",
    "launch failure limit exceeded requeued held",
    "job requeued in held state",
    "job requeued in special exit state",
)
PHRASES = (
    "Invalid job id specified",
    "Unable to contact slurm controller (connect failure)",
    "Unable to contact slurm controller",
    "Socket timed out on send/recv operation",
    "Zero Bytes were transmitted or received",
    "Protocol authentication error",
    "Problem talking to the database",
    "Slurm accounting storage is disabled",
    "Connection refused",
    "Connection timed out",
    "Access/permission denied",
    "Invalid user",
    "Munge encode failed",
    "not found",
)
"""What is kept of a complaint."""

_KEPT_KEYS = (
    "JobId", "ArrayJobId", "ArrayTaskId", "ArrayTaskThrottle", "HetJobId", "HetJobOffset", "HetJobIdSet", "UserId",
    "GroupId", "Account", "QOS", "JobState", "Reason", "Dependency", "Requeue", "Restarts", "BatchFlag", "Reboot",
    "ExitCode", "TimeLimit", "SubmitTime", "EligibleTime", "StartTime", "EndTime", "Deadline", "PreemptEligibleTime",
    "PreemptTime", "SuspendTime", "Partition", "NodeList", "BatchHost", "NumNodes", "NumCPUs", "Command", "WorkDir",
    "StdErr", "StdIn", "StdOut",
)  # fmt: skip
_PATH_KEYS = frozenset({"Command", "WorkDir", "StdErr", "StdOut"})
_TO_LINE_END = frozenset({*_PATH_KEYS, "StdIn", "Comment", "AdminComment", "SystemComment", "Extra"})
_KEY = re.compile(r"(?:^|(?<=\s))(?P<key>[A-Z][\w/:]*)=")


class Anonymiser:
    """Replaces names; two equal names of one kind get the same placeholder.

    Args:
        looks: All of the recording: the smallest id in it becomes FIRST_ID.
        keep: Names of jobs, partitions and nodes that are nobody's own and stay.
    """

    def __init__(self, looks: Collection[Look], keep: Collection[str] = ()) -> None:
        ids = {one for kept in looks for one in bases(kept)}
        self._shift = FIRST_ID - min(ids, default=FIRST_ID)
        self._keep = frozenset(keep)
        self._names: dict[str, dict[str, str]] = {}
        self._how = self._hows()

    def look(self, one: Look) -> Look:
        """Give the look without names."""
        names = self._job_names(one)
        shown = {self.job_id(raw): self._record(text, names.get(raw, "")) for raw, text in one.scontrol.shown.items()}
        return replace(
            one,
            user=self._name("user", one.user),
            uid=self._uid(one.uid),
            squeue=self._said("squeue", one.squeue),
            sacct=self._said("sacct", one.sacct),
            scontrol=replace(self._said("scontrol", one.scontrol), shown=shown),
        )

    def job_id(self, text: str) -> str:
        """Shift the id of a job, element, part, range or step."""
        found = _ID.fullmatch(text)
        return f"{int(found['base']) + self._shift}{found['rest']}" if found else MASKED

    @staticmethod
    def _job_names(one: Look) -> dict[str, str]:
        return {row["raw"]: row.get("name", "") for row in one.squeue.rows}

    def _said(self, program: str, said: Said) -> Said:
        failure = said.failure
        if failure is not None:
            failure = Failure(failure.status, _complaint(program, failure.text), failure.took_s)
        rows = tuple(self._row(row) for row in said.rows)
        return Said(rows=rows, steps=tuple(self._row(row) for row in said.steps), failure=failure)

    def _row(self, row: Row) -> Row:
        hidden = {column: self._value(column, value) for column, value in row.items()}
        return {column: value for column, value in hidden.items() if value}

    def _value(self, column: str, value: str) -> str:
        how = self._how.get(column)
        if how is not None:
            return how(value)
        return value if value in _EMPTY or _PLAIN.fullmatch(value) else MASKED

    def _hows(self) -> Mapping[str, Callable[[str], str]]:
        return {
            "id": self.job_id, "raw": self.job_id, "array": self.job_id, "JobID": self.job_id, "JobIDRaw": self.job_id,
            "JobId": self.job_id, "ArrayJobId": self.job_id, "HetJobId": self.job_id, "HetJobIdSet": self._id_set,
            "user": self._kind("user"), "User": self._kind("user"), "UserId": self._owner, "GroupId": self._owner,
            "uid": self._uid, "UID": self._uid, "group": self._kind("group"), "Group": self._kind("group"),
            "account": self._kind("account"), "Account": self._kind("account"),
            "partition": self._kind("partition"), "Partition": self._kind("partition"),
            "qos": self._kind("qos"), "QOS": self._kind("qos"),
            "nodes": self._kind("node"), "NodeList": self._kind("node"), "batch_host": self._kind("node"),
            "BatchHost": self._kind("node"), "nodes_or_reason": self._nodes_or_reason,
            "reason": self._reason, "Reason": self._reason, "dependency": self._dependency,
            "Dependency": self._dependency, "state": self._state, "State": self._state, "JobState": self._state,
            "work_dir": self._path, "WorkDir": self._path, "Command": self._path, "command": self._path,
            "StdOut": self._path, "StdErr": self._path, "StdIn": self._path, "short": _short,
            "comment": self._kind("comment"), "Comment": self._kind("comment"), "name": self._kind("job"),
            "JobName": self._job_name, "ArrayTaskId": _array_task, "task": _array_task,
        }  # fmt: skip

    def _kind(self, kind: str) -> Callable[[str], str]:
        return lambda value: self._name(kind, value)

    def _name(self, kind: str, value: str) -> str:
        if value in _EMPTY or value in self._keep:
            return value
        known = self._names.setdefault(kind, {})
        return known.setdefault(value, f"{kind}-{len(known) + 1}")

    def _job_name(self, value: str) -> str:
        return value if value in ("allocation", "batch", "extern") else self._name("job", value)

    def _uid(self, value: str) -> str:
        if not value.isdigit() or int(value) == 0:
            return value if value == "0" else MASKED
        known = self._names.setdefault("uid", {})
        return known.setdefault(value, str(FIRST_UID + len(known)))

    def _owner(self, value: str) -> str:
        found = re.fullmatch(r"(?P<name>[^()]*)\((?P<number>\d+)\)", value)
        return f"{self._name('user', found['name'])}({self._uid(found['number'])})" if found else MASKED

    def _path(self, value: str) -> str:
        if value in _EMPTY or value == "/dev/null":
            return value
        folder, slash, file = value.rpartition("/")
        if not slash:
            return self._name("path", value)
        return f"/home/{self._name('dir', folder)}/{self._name('path', file)}"

    def _state(self, value: str) -> str:
        found = _STATE.fullmatch(value)
        if found is None:
            return MASKED
        by = f" by {self._uid(found['uid'])}" if found["uid"] else ""
        return f"{found['word']}{by}{found['cut']}"

    def _reason(self, value: str) -> str:
        word, comma, _ = value.partition(", UnavailableNodes:")
        # squeue writes blanks where scontrol writes underscores.
        if _REASON_WORD.fullmatch(word) or value.replace("_", " ") in _REASONS or value in _EMPTY:
            return f"{word}{comma}" if comma else value
        return MASKED

    def _nodes_or_reason(self, value: str) -> str:
        inner = value[1:-1] if value.startswith("(") and value.endswith(")") else None
        return self._name("node", value) if inner is None else f"({self._reason(inner)})"

    def _dependency(self, value: str) -> str:
        kept = re.fullmatch(r"(?:[a-z]+:\d+(?:_\d+|_\*)?\([a-z]+\)[,?]?)+", value)
        if not kept:
            return value if value in _EMPTY else MASKED
        return re.sub(r":(\d+)", lambda found: f":{int(found[1]) + self._shift}", value)

    def _id_set(self, value: str) -> str:
        return re.sub(r"\d+", lambda found: str(int(found[0]) + self._shift), value) if value[:1].isdigit() else MASKED

    def _record(self, text: str, name: str) -> str:
        """Write scontrol's record of one job anew, from its known keys alone."""
        head, found, rest = text.partition(f"JobName={name}\n")
        if not found:  # squeue does not know the name: the record's first line is passed over
            head, _, rest = text.partition("\n")
        seen: set[str] = set()  # what a comment of several lines may add comes later
        lines = [f"{self._keys(head, seen)} JobName={self._name('job', name)}"]
        lines += [f"   {kept}" for kept in (self._keys(line, seen) for line in rest.split("\n")) if kept]
        return "\n".join(lines)

    def _keys(self, line: str, seen: set[str]) -> str:
        found = list(_KEY.finditer(line))
        kept: list[str] = []
        for at, key in enumerate(found):
            last = at + 1 == len(found) or key["key"] in _TO_LINE_END
            value = line[key.end() :] if last else line[key.end() : found[at + 1].start()]
            if key["key"] in _KEPT_KEYS and key["key"] not in seen:
                kept.append(f"{key['key']}={self._value(key['key'], value.strip())}")
            seen.add(key["key"])
            if last:
                break
        return " ".join(kept)


def _short(value: str) -> str:
    return value if re.fullmatch(r"[A-Z]{1,3}", value) else MASKED


def _array_task(value: str) -> str:
    return value if re.fullmatch(r"[\d,:%.\[\]-]+|N/A", value) else MASKED


def _complaint(program: str, text: str) -> str:
    kept = [phrase for phrase in PHRASES if phrase.lower() in text.lower()]
    if "Slurm accounting storage is disabled" in kept:
        return "Slurm accounting storage is disabled"  # sacct writes it without a prefix
    sentence = "; ".join(one for one in kept if not any(one != other and one in other for other in kept))
    start = "slurm_load_jobs error" if program != "sacct" else "sacct: error"
    return f"{start}: {sentence}" if sentence else (f"{program}: error" if text.strip() else "")
