"""Write the cases that a real Slurm could not be made to show, from recorded ones: `python tests/recorder/edited.py`.

Each says what was changed. What is right in it is said here, by hand.
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "corpus")]

import replay  # noqa: E402 -- the path above comes first
from jobwarden.sources.slurm.recording import as_text  # noqa: E402 -- as above
from recorder.writing import file_name  # noqa: E402 -- as above

Recording = dict[str, Any]
Moments = list[dict[str, Any]]

_DISABLED = {"exit": 1, "stderr": "Slurm accounting storage is disabled", "took_s": 0}
_TIMES = frozenset({"submit", "start", "end", "Submit", "Start", "End", "Eligible"})
_ALIVE = ["pending", "running"]


def _from(source: str, case: str, says: str, edits: str) -> tuple[Recording, Moments]:
    """Take a recorded case and give it, with every moment whole, to be changed."""
    recorded = replay.load_file(ROOT / "corpus" / "cases" / file_name(source))
    recording = copy.deepcopy(dict(recorded))
    recording |= {"case": case, "says": says, "how": "edited", "edits": f"From “{source}”: {edits}"}
    return recording, [copy.deepcopy(dict(moment)) for moment in replay.moments(recorded)]


def _done(recording: Recording, moments: Iterable[dict[str, Any]], **end: Any) -> Recording:
    """Leave out of each moment what is as before, and put in another end where it is given."""
    slim: Moments = []
    before: dict[str, Any] = {}
    for moment in moments:
        slim.append({name: value for name, value in moment.items() if name == "at" or before.get(name) != value})
        before = moment
    if end:
        recording["end"] = {job: {"exit_code": None, "signal": None} | end for job in recording["jobs"]}
    order = {name: value for name, value in recording.items() if name not in ("end", "moments")}
    return order | {"end": recording["end"], "moments": slim}


def _rows(moment: dict[str, Any]) -> Iterable[dict[str, str]]:
    for program in ("squeue", "sacct"):
        yield from moment[program].get("rows", ())
        yield from moment[program].get("steps", ())


def _say(moment: dict[str, Any], *words: str) -> None:
    moment["right"] = {job: sorted(set(words)) for job in moment["right"]}


def _also(moment: dict[str, Any], *words: str) -> None:
    moment["right"] = {job: sorted({*right, *words}) for job, right in moment["right"].items()}


def _state(moment: dict[str, Any]) -> str:
    return next((row["state"] for row in moment["squeue"].get("rows", ())), "")


def _replace_words(moment: dict[str, Any], words: dict[str, str]) -> None:
    for row in _rows(moment):
        for column in ("state", "State", "short", "ExitCode"):
            if row.get(column) in words:
                row[column] = words[row[column]]
    shown = moment["scontrol"].get("shown", {})
    for job, text in shown.items():
        for old, new in words.items():
            shown[job] = shown[job].replace(f"JobState={old} ", f"JobState={new} ")
        del text


def unknown_word() -> Recording:
    recording, moments = _from(
        "completed", "a word nobody knows", "While it runs, Slurm says a word that is in no manual: that is no end.",
        "RUNNING is HIBERNATING for the whole run, in squeue, sacct and scontrol.",
    )  # fmt: skip
    for moment in moments:
        if any(row.get("state", row.get("State")) == "RUNNING" for row in _rows(moment)):
            _replace_words(moment, {"RUNNING": "HIBERNATING", "R": "HB"})
            _also(moment, "unknown", "running")
    return _done(recording, moments)


def torn() -> Recording:
    recording, moments = _from(
        "completed", "torn answers", "The connection is cut in the middle of answers.",
        "the answers of one moment while it runs, and of one after its end, are cut.",
    )  # fmt: skip
    running = next(moment for moment in moments if _state(moment) == "RUNNING" and moment["sacct"]["rows"])
    ended = next(moment for moment in moments if _state(moment) == "COMPLETED")
    whole: Moments = []
    for moment in moments:
        if moment in (running, ended):
            cut = copy.deepcopy(moment)
            for program in ("squeue", "sacct"):
                cut[program]["torn"] = True
            _also(cut, "unknown")
            whole += [cut, {**moment, "at": round(moment["at"] + 0.2, 1)}]
        else:
            whole.append(moment)
    return _done(recording, whole)


def contradiction() -> Recording:
    recording, moments = _from(
        "completed", "missing from squeue while it runs",
        "squeue answers, without the job, for some looks; sacct goes on saying RUNNING.",
        "squeue's row is taken out of the middle of the run.",
    )  # fmt: skip
    running = [m for m in moments if _state(m) == "RUNNING" and any(r.get("State") == "RUNNING" for r in _rows(m))]
    whole: Moments = []
    for moment in moments:
        whole.append(moment)
        if moment is running[0]:
            for after in (0.2, 0.4):
                lacking = copy.deepcopy(moment)
                lacking |= {"at": round(moment["at"] + after, 1), "squeue": {"rows": []}, "scontrol": {"shown": {}}}
                _also(lacking, "unknown")
                whole.append(lacking)
            whole.append({**moment, "at": round(moment["at"] + 0.6, 1)})
    return _done(recording, whole)


def empty_accounting() -> Recording:
    recording, moments = _from(
        "slurmctld down at its end", "slurmctld down and sacct empty",
        "While the controller is away, accounting answers without an error and without a row.",
        "sacct's rows are taken out as long as squeue fails.",
    )  # fmt: skip
    for moment in moments:
        if "exit" in moment["squeue"]:
            moment["sacct"] = {"rows": []}
            _also(moment, "unknown")
    return _done(recording, moments)


def one_row() -> Recording:
    recording, moments = _from(
        "preempted and then slurmctld down", "only its preempted run in sacct, and slurmctld down",
        "It waits for its turn again, but sacct has no row of that yet and the controller is away. It has not ended.",
        "as long as squeue fails, sacct's row of the waiting run is taken out; it comes up to 5 s after the other.",
    )  # fmt: skip
    for moment in moments:
        if "exit" in moment["squeue"]:
            moment["sacct"]["rows"] = [row for row in moment["sacct"]["rows"] if row["State"] == "PREEMPTED"]
            _also(moment, "unknown")
    return _done(recording, moments)


def reused() -> Recording:
    recording, moments = _from(
        "failed with exit code 3", "id reused",
        "The controller lost its state and gave the id, a day later, to another user's job. Ours has failed.",
        "a day after the end the id is another user's, with other times and another name.",
    )  # fmt: skip
    first = next(moment for moment in moments if _state(moment) == "RUNNING")
    last = moments[-1]
    start = last["at"] + 86400
    shift = int(start - first["at"])
    new: Moments = []
    for after in range(0, 241, 60):
        moment = copy.deepcopy(last) | {"at": round(start + after, 1), "squeue": copy.deepcopy(first["squeue"])}
        other = {"user": "user-9", "uid": "1009", "group": "group-9", "name": "job-9", "work_dir": "/home/dir-9/path-9"}
        row = moment["squeue"]["rows"][0]
        _shift(row, shift)
        row.update(other)
        account = copy.deepcopy(last["sacct"]["rows"][0])
        _shift(account, shift)
        account.update(User="user-9", UID="1009", Group="group-9", JobName="job-9", WorkDir="/home/dir-9/path-9",
                       State="RUNNING", ExitCode="0:0", End="Unknown")  # fmt: skip
        moment["sacct"] = {"rows": [*last["sacct"]["rows"], account]}
        moment["scontrol"] = {"shown": {}}
        new.append(moment)
    recording["reused_s"] = start
    return _done(recording, [*moments, *new])


def _shift(row: dict[str, str], seconds: int) -> None:
    for name in _TIMES & row.keys():
        if row[name].isdigit():
            row[name] = str(int(row[name]) + seconds)


def clock_off(seconds: int, case: str) -> Recording:
    recording, moments = _from(
        "requeued", case, f"The cluster's clock is off by {seconds} s against that of who watches.",
        f"all of the cluster's times are shifted by {seconds} s.",
    )  # fmt: skip
    for moment in moments:
        for row in _rows(moment):
            _shift(row, seconds)
    recording["clock_off_s"] = seconds
    return _done(recording, moments)


def never_existed() -> Recording:
    recording, moments = _from(
        "held", "unknown id", "There is no such job and there never was: that is no end.", "all rows are taken out.",
    )  # fmt: skip
    for moment in moments:
        moment |= {"squeue": {"rows": []}, "sacct": {"rows": []}, "scontrol": {"shown": {}}}
        _say(moment, "unknown", "lost")
    return _done(recording, moments, phase="lost")


def accounting_disabled() -> Recording:
    recording, moments = _from(
        "no sacct", "accounting disabled", "The site has no accounting: sacct says so and exits with 1.",
        "sacct is there, and fails.",
    )  # fmt: skip
    for moment in moments:
        moment["sacct"] = dict(_DISABLED)
    return _done(recording, moments)


def forgotten() -> Recording:
    recording, moments = _from(
        "no sacct", "forgotten while nobody looked",
        "No accounting; it ended and slurmctld forgot it between two looks. How it ended nobody can say.",
        "the looks between its run and its absence are taken out.",
    )  # fmt: skip
    kept = [moment for moment in moments if _state(moment) in ("PENDING", "RUNNING", "")]
    for moment in kept:
        if not _state(moment) and any("running" in right for right in moment["right"].values()):
            _also(moment, "pending")  # who has not looked while it ran knows no better
    return _done(recording, kept, phase="lost")


def other_word(source: str, case: str, says: str, words: dict[str, str]) -> Recording:
    changed = ", ".join(f"{old} is {new}" for old, new in words.items())
    recording, moments = _from(source, case, says, f"{changed}.")
    for moment in moments:
        _replace_words(moment, words)
    return _done(recording, moments, phase="failed", attempts=1)


def revoked() -> Recording:
    recording, moments = _from(
        "held", "revoked", "Of a federation: another cluster runs it, and this one says REVOKED. That is no end.",
        "PENDING is REVOKED in squeue and sacct.",
    )  # fmt: skip
    for moment in moments:
        _replace_words(moment, {"PENDING": "REVOKED", "PD": "RV"})
        _say(moment, "unknown", *_ALIVE)
    return _done(recording, moments, phase="unknown")


EDITED: tuple[Callable[[], Recording], ...] = (
    unknown_word,
    torn,
    contradiction,
    empty_accounting,
    one_row,
    reused,
    lambda: clock_off(600, "clock ten minutes fast"),
    lambda: clock_off(-600, "clock ten minutes slow"),
    never_existed,
    accounting_disabled,
    forgotten,
    lambda: other_word("failed by signal 9", "out of memory", "Killed for its memory: OUT_OF_MEMORY, 0:125.",
                       {"FAILED": "OUT_OF_MEMORY", "F": "OOM", "0:9": "0:125"}),
    lambda: other_word("node failure without requeue", "boot failure", "Its nodes did not boot: BOOT_FAIL.",
                       {"NODE_FAIL": "BOOT_FAIL", "NF": "BF", "0:0": "1:0"}),
    revoked,
)  # fmt: skip


if __name__ == "__main__":
    for make in EDITED:
        made = make()
        (ROOT / "corpus" / "cases" / file_name(made["case"])).write_text(as_text(made), encoding="utf-8")
