"""From a record and what accounting says to the facts of an end."""

from __future__ import annotations

from dataclasses import replace

import pytest

from jobwarden.diagnosis.diagnose import diagnose
from jobwarden.diagnosis.model import Category, Confidence
from jobwarden.diagnosis.outcomes import outcome_of
from jobwarden.sources.post_mortem import PostMortem
from jobwarden_registry.phases import Phase
from support.sightings import at, job


def test_the_records_state_stands_and_accounting_adds_limits_and_use() -> None:
    record = job(phase=Phase.FAILED, last_status="FAILED", exit_code=1, started_at=at(0), ended_at=at(60), node="c1")
    outcome = outcome_of(record, PostMortem(state="RUNNING", exit="1:0", time_limit_s=90, max_rss_bytes=5))
    assert (outcome.state, outcome.ended, outcome.exit_code) == ("FAILED", True, 1)
    assert (outcome.time_limit_s, outcome.elapsed_s, outcome.max_rss_bytes, outcome.nodes) == (90, 60, 5, "c1")


def test_of_an_array_the_failed_element_is_spoken_of() -> None:
    record = job(phase=Phase.FAILED, last_status="COMPLETED 2, FAILED 1", reason="failed: 1")
    outcome = outcome_of(record, PostMortem(state="FAILED", part="12_1", exit="3:0"))
    assert (outcome.state, outcome.exit_code, outcome.slurm_exit) == ("FAILED", 3, "3:0")
    killed = outcome_of(record, PostMortem(state="FAILED", part="12_1", exit="0:9"))
    assert (killed.exit_code, killed.signal) == (None, 9)
    lost = outcome_of(record, PostMortem(state="FAILED", part="12_1", exit="0:53"))
    assert (lost.exit_code, lost.signal, lost.slurm_exit) == (None, None, "0:53")


@pytest.mark.parametrize("status", ["COMPLETED", "COMPLETED 2, FAILED 1"])
def test_what_has_failed_is_said_to_have_failed_whatever_its_word_begins_with(status: str) -> None:
    outcome = outcome_of(job(phase=Phase.FAILED, last_status=status))
    assert outcome.state == f"FAILED ({status})"
    assert diagnose((), outcome).category is Category.UNKNOWN


@pytest.mark.parametrize("state", ["COMPLETED", "RUNNING", "PENDING"])
def test_an_element_that_is_well_says_nothing_of_an_array_that_has_failed(state: str) -> None:
    """Accounting hears of the failed one some seconds later."""
    record = job(phase=Phase.FAILED, last_status="COMPLETED 2, FAILED 1")
    assert outcome_of(record, PostMortem(state=state, part="12_0", exit="0:0")) == outcome_of(record)


def test_the_programs_own_exit_code_stands_where_accounting_has_128_less() -> None:
    record = job(phase=Phase.FAILED, last_status="FAILED", exit_code=139)
    assert outcome_of(record, PostMortem(state="FAILED", exit="11:0")).slurm_exit == "139:0"


def test_who_cancelled_it_is_told_by_its_state_until_accounting_names_somebody() -> None:
    record = job(phase=Phase.CANCELLED, last_status="CANCELLED by 0")
    assert outcome_of(record).cancelled_by == "root"
    assert outcome_of(record, PostMortem(cancelled_by="alice (uid 7)")).cancelled_by == "alice (uid 7)"
    assert outcome_of(job(phase=Phase.CANCELLED, last_status="CANCELLED by 7")).cancelled_by == "uid 7"


def test_how_long_a_log_is_quiet_counts_for_the_living_alone() -> None:
    assert outcome_of(job(phase=Phase.RUNNING, last_status="RUNNING"), quiet_s=9).quiet_s == 9
    assert outcome_of(job(phase=Phase.FAILED, last_status="FAILED"), quiet_s=9).quiet_s is None


def test_what_a_waiting_job_waits_for_has_not_ended_it() -> None:
    """A pending job with the reason PartitionTimeLimit was said to have reached its time limit."""
    record = job(phase=Phase.PENDING, last_status="PENDING", reason="PartitionTimeLimit")
    assert diagnose((), outcome_of(record)).category is Category.NONE


def test_a_program_that_was_ended_through_us_was_cancelled_and_by_whom() -> None:
    """Its state is the signal, and the diagnosis was a guess with the advice to ask who did it."""
    record = job(phase=Phase.CANCELLED, last_status="SIGNALED 15", signal=15, reason="cancelled by jobwarden")
    outcome = replace(outcome_of(record), cancelled_by="cancel_job, by claude-code session s: too slow")
    found = diagnose((), outcome)
    assert (found.category, found.confidence) == (Category.CANCELLED, Confidence.HIGH)
    assert "too slow" in found.cause
