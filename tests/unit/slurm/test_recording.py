"""Recordings: what is read of an answer, what is kept of it, and that no name is."""

from __future__ import annotations

import json

import pytest

from jobwarden.sources.errors import UnreadableAnswerError
from jobwarden.sources.framing import Part
from jobwarden.sources.slurm.anonymous import Anonymiser
from jobwarden.sources.slurm.recording import (
    ACCOUNT_COLUMNS,
    QUEUE_COLUMNS,
    STEP_COLUMNS,
    Failure,
    Look,
    Row,
    Said,
    Tape,
    as_moments,
    document,
    read_look,
    read_shown_records,
)

NONCE = "jw0123456789abcdef"
SECRETS = ("carol", "secret", "gpu-a100", "/lustre", "biolab", "node17", "login1.example.org", "7654321")


def queue_row(**fields: str) -> Row:
    return {
        "id": "7654321", "raw": "7654321", "array": "7654321", "state": "PENDING", "short": "PD", "user": "carol",
        "uid": "5017", "group": "biolab", "account": "secret-account", "submit": "1795000000", "start": "N/A",
        "partition": "gpu-a100", "reason": "ReqNodeNotAvail, UnavailableNodes:node17", "nodes_or_reason": "node17",
        "dependency": "afterok:7654320(unfulfilled)", "work_dir": "/lustre/carol/secret", "command": "/lustre/x.sh",
        "comment": "secret plan", "name": "secret-name",
    } | fields  # fmt: skip


def account_row(**fields: str) -> Row:
    return {
        "JobIDRaw": "7654321", "JobID": "7654321", "User": "carol", "UID": "5017", "State": "CANCELLED by 5017",
        "ExitCode": "0:0", "Submit": "1795000000", "Partition": "gpu-a100", "NodeList": "node[17-19]",
        "WorkDir": "/lustre/carol/secret", "Comment": "secret plan", "JobName": "secret-name",
    } | fields  # fmt: skip


SHOWN = """JobId=7654321 JobName=secret-name
   UserId=carol(5017) GroupId=carol(5017) MCS_label=secret
   Priority=1 Nice=0 Account=secret-account QOS=biolab WCKey=*secret
   JobState=PENDING Reason=Dependency Dependency=afterok:7654320(unfulfilled)
   Requeue=1 Restarts=0 BatchFlag=1 Reboot=0 ExitCode=0:0
   Partition=gpu-a100 AllocNode:Sid=login1.example.org:2626
   Command=/lustre/carol/a secret script.sh --token secret
   WorkDir=/lustre/carol/secret
   Comment=secret plan JobState=COMPLETED
   JobState=FAILED
   StdErr=/lustre/carol/secret/7654321.err
   StdIn=/lustre/carol/input
   StdOut=/lustre/carol/secret/7654321.out"""


def look(began: float = 1795000000.0, **said: Said) -> Look:
    squeue = said.get("squeue", Said(rows=(queue_row(),)))
    sacct = said.get("sacct", Said(rows=(account_row(),), steps=(account_row(JobID="7654321.batch", JobName="batch"),)))
    scontrol = said.get("scontrol", Said(shown={"7654321": SHOWN}))
    return Look(began, "carol", "5017", "slurm-wlm 22.05.8", squeue, sacct, scontrol)


def hidden(one: Look) -> Look:
    return Anonymiser([one]).look(one)


# -- reading


def framed(columns: object, *rows: tuple[str, ...], lead: bool = False) -> bytes:
    del columns
    return "".join((NONCE if lead else "") + NONCE.join(row) + "\n" for row in rows).encode()


def test_rows_with_every_hostile_name_are_read_whole() -> None:
    name = "a|b\nJobId=9 c"
    queue = tuple(name if column == "name" else "7" if column in ("id", "raw") else "" for column in QUEUE_COLUMNS)
    account = tuple(
        name if one == "JobName" else "7" if one in ("JobID", "JobIDRaw") else "" for one in ACCOUNT_COLUMNS
    )
    step = tuple("7.0" if one == "JobID" else "7" for one in STEP_COLUMNS)
    parts = {
        "squeue": Part(0, framed(QUEUE_COLUMNS, queue, queue, lead=True), ""),
        "sacct": Part(0, framed(ACCOUNT_COLUMNS, account, account), ""),
        "steps": Part(0, framed(STEP_COLUMNS, step), ""),
        "clock.0": Part(0, b"1795000000.25\n", ""),
        "user": Part(0, b"carol\n", ""),
    }
    read = read_look(parts, NONCE)
    assert read.squeue.rows == ({"id": "7", "raw": "7", "name": name},) * 2
    assert read.sacct.rows == ({"JobIDRaw": "7", "JobID": "7", "JobName": name},) * 2
    assert [row["JobID"] for row in read.sacct.steps] == ["7.0"]
    assert (read.began, read.user) == (1795000000.25, "carol")


def test_a_failure_is_kept_with_its_time_and_a_torn_record_refused() -> None:
    clocks = {f"clock.{at}": Part(0, f"{100 + 9 * at}\n".encode(), "") for at in range(3)}
    read = read_look(clocks | {"squeue": Part(1, b"", "no"), "sacct": Part(0, b"", "sacct: error: no")}, NONCE)
    assert read.squeue.failure == Failure(1, "no", 9)
    assert read.sacct.failure == Failure(0, "sacct: error: no", 9)
    with pytest.raises(UnreadableAnswerError):
        read_look(clocks | {"squeue": Part(0, f"{NONCE}7{NONCE}7".encode(), "")}, NONCE)
    with pytest.raises(UnreadableAnswerError):
        read_look(clocks, NONCE)


def test_an_arrays_records_are_told_apart_and_what_ticks_is_left_out() -> None:
    text = b"JobId=8 JobName=a\n   RunTime=00:00:07 TimeLimit=1\n   \n\nJobId=7 JobName=a\n   Partition=p\n   \n\n"
    assert read_shown_records(text) == {
        "8": "JobId=8 JobName=a\n   TimeLimit=1",
        "7": "JobId=7 JobName=a\n   Partition=p",
    }


# -- keeping


def test_only_what_changes_is_kept() -> None:
    tape = Tape()
    running = Said(rows=(queue_row(state="RUNNING"),))
    kept = [tape.add(one) for one in (look(1.0), look(2.0), look(3.0, squeue=running), look(4.0, squeue=running))]
    assert kept == [True, False, True, False]
    assert tape.last_began == 4.0
    moments = as_moments(tape.looks)
    assert [sorted(moment) for moment in moments] == [["at", "sacct", "scontrol", "squeue"], ["at", "squeue"]]


def test_what_is_not_there_and_what_failed_are_different_answers() -> None:
    one = look(sacct=Said(failure=Failure(127, "sacct: not found")), squeue=Said(failure=Failure(1, "no", 18)))
    moment = as_moments([one])[0]
    assert moment["sacct"] == {"missing": True}
    assert moment["squeue"] == {"exit": 1, "stderr": "no", "took_s": 18}


# -- hiding


def test_nothing_of_a_site_or_a_person_is_left() -> None:
    text = json.dumps(document([hidden(look())], case="c", says="s", how="site", jobs=["1001"]))
    assert not [secret for secret in SECRETS if secret in text]


def test_a_word_in_a_column_of_numbers_is_not_kept() -> None:
    one = hidden(look(squeue=Said(rows=(queue_row(cpus="carol", end="/lustre/x", short="secret", task="carol"),))))
    row = one.squeue.rows[0]
    assert {row[column] for column in ("cpus", "end", "short", "task")} == {"masked"}


def test_the_same_name_is_the_same_placeholder_everywhere() -> None:
    one = hidden(look())
    row, account = one.squeue.rows[0], one.sacct.rows[0]
    assert row["user"] == account["User"] == one.user == "user-1"
    assert row["name"] == account["JobName"] == "job-1"
    assert row["work_dir"] == account["WorkDir"]
    assert (row["id"], account["JobID"], one.sacct.steps[0]["JobID"]) == ("1001", "1001", "1001.batch")
    assert account["State"] == f"CANCELLED by {row['uid']}"
    assert one.sacct.steps[0]["JobName"] == "batch"


def test_what_a_verdict_reads_stays() -> None:
    one = hidden(look())
    row = one.squeue.rows[0]
    assert (row["state"], row["submit"], row["start"]) == ("PENDING", "1795000000", "N/A")
    assert row["reason"].startswith("ReqNodeNotAvail")
    assert row["dependency"] == "afterok:1000(unfulfilled)"
    shown = one.scontrol.shown["1001"].split("\n")
    assert shown[0] == "JobId=1001 JobName=job-1"
    assert "   JobState=PENDING Reason=Dependency Dependency=afterok:1000(unfulfilled)" in shown
    assert "   Requeue=1 Restarts=0 BatchFlag=1 Reboot=0 ExitCode=0:0" in shown
    assert not [line for line in shown if "COMPLETED" in line or "FAILED" in line or "token" in line]


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("Priority", "Priority"),
        ("job requeued in held state", "job requeued in held state"),
        ("job_requeued_in_held_state", "job_requeued_in_held_state"),
        ("carol's nodes are busy", "masked"),
    ],
)
def test_only_slurms_own_reasons_stay(given: str, kept: str) -> None:
    one = hidden(look(squeue=Said(rows=(queue_row(reason=given, nodes_or_reason=f"({given})"),))))
    assert (one.squeue.rows[0]["reason"], one.squeue.rows[0]["nodes_or_reason"]) == (kept, f"({kept})")


def test_only_slurms_own_complaints_stay() -> None:
    down = (
        "sacct: error: open_persist_conn: failed to open persistent connection to host:node17:6819: Connection refused"
    )
    squeue = "squeue: error: carol is not welcome on node17"
    one = hidden(look(sacct=Said(failure=Failure(1, down)), squeue=Said(failure=Failure(1, squeue))))
    assert one.sacct.failure == Failure(1, "sacct: error: Connection refused")
    assert one.squeue.failure == Failure(1, "squeue: error")


def test_names_that_are_nobodys_own_can_be_kept() -> None:
    one = look()
    kept = Anonymiser([one], keep=["secret-name", "gpu-a100"]).look(one)
    assert (kept.squeue.rows[0]["name"], kept.squeue.rows[0]["partition"]) == ("secret-name", "gpu-a100")
    assert kept.squeue.rows[0]["user"] == "user-1"


def test_an_id_of_another_form_costs_no_other_row() -> None:
    """20.11 cuts a range without its bracket; what is not known at all is masked."""
    cut, new = account_row(JobID="7654321_[1,3,5,7,9,11"), account_row(JobID="*7654400", JobIDRaw="*7654400")
    rows = hidden(look(sacct=Said(rows=(cut, new)))).sacct.rows
    assert [row["JobID"] for row in rows] == ["1001_[1,3,5,7,9,11", "masked"]


def test_array_ids_keep_their_form() -> None:
    one = look(
        squeue=Said(rows=(queue_row(id="7654321_[3-9%2]", task="3-9%2"), queue_row(id="7654321_2", raw="7654330")))
    )
    rows = hidden(one).squeue.rows
    assert [(row["id"], row["raw"]) for row in rows] == [("1001_[3-9%2]", "1001"), ("1001_2", "1010")]
