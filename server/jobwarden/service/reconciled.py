"""What is said of one job that was looked at by hand. Pure: the verdict engine has decided already."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from jobwarden.config.clocks import Clocks
from jobwarden.sources.base import Absent, Output, Seen, Sighting
from jobwarden.verdict.outputs import OUTPUT_MISSING
from jobwarden_registry.model import Expectation, JobRecord
from jobwarden_registry.phases import Phase

AS_IT_WAS = "as it was"
CHANGED = "changed"
UNDECIDED = "undecided"
CONTRADICTED = "contradicted"
NOT_ASKED = "not asked"

_KEPT = "What has ended stays as it was recorded; see `jobwarden explain`."


@dataclass(frozen=True, slots=True)
class Found:
    """What is known of one job after a look by hand.

    Attributes:
        before: As it was.
        after: As it is now.
        was_live: It was watched before.
        sighting: What its source said now.
        outputs: What was found of its expected output.
        only_now: That output was expected by this call alone.
        failed: Why it could not be asked about.
        clocks: The configured times.
    """

    before: JobRecord
    after: JobRecord
    was_live: bool
    sighting: Sighting | None
    outputs: Sequence[Output]
    only_now: bool
    failed: str | None
    clocks: Clocks

    @property
    def missing(self) -> list[str]:
        """The expected output that is not there."""
        return [output.expect.path for output in self.outputs if output.found is False]

    @property
    def all_there(self) -> bool:
        """Whether something was expected and all of it is there."""
        return bool(self.outputs) and all(output.found for output in self.outputs)


def expectation_text(expect: Expectation) -> str:
    """Write an expectation as people do."""
    size = f" >= {expect.min_bytes}" if expect.min_bytes else ""
    return f"{expect.path}{size}" + (f" ~ {expect.pattern}" if expect.pattern else "")


def outcome_of(found: Found) -> tuple[str, str]:
    """Say what became of a job: one of the outcomes, and sentences."""
    outcome, said = _of_state(found)
    if not found.outputs and not found.only_now and not found.before.expect:
        said.append("Nothing is expected of it, so only its scheduler's word counts; --expect looks for a file now.")
    if found.only_now and found.outputs:
        said.append("What --expect names was looked for this once, and decides nothing.")
    return outcome, " ".join(said)


def _of_state(found: Found) -> tuple[str, list[str]]:
    if found.failed is not None:
        return NOT_ASKED, [f"It could not be asked about: {found.failed.rstrip('.')}. It stays as it was last known."]
    if not found.was_live:
        return _of_ended(found)
    if found.after.phase is not found.before.phase:
        return CHANGED, [_why(found)]
    if isinstance(found.sighting, Absent):
        return UNDECIDED, [_nowhere(found)]
    if found.after.output_missing_since is not None:
        return UNDECIDED, ["It says that it has succeeded; its output is missing, and is looked for once more."]
    return AS_IT_WAS, [f"It is {found.after.last_status or found.after.phase}; its output counts when it has ended."]


def _why(found: Found) -> str:
    after = found.after
    if after.phase is Phase.SUCCEEDED and isinstance(found.sighting, Absent):
        return "Its scheduler has forgotten it; all its expected output is there, newer than its submission."
    if after.phase is Phase.FAILED and OUTPUT_MISSING in (after.reason or ""):
        again_s = found.clocks.expect_again_s
        return f"It ended as {after.last_status}, but expected output was missing twice, {again_s:.0f} s apart."
    if after.phase is Phase.LOST:
        return "It has been nowhere for long enough; no end was seen, and its expected output is not all there."
    return f"Its scheduler says {after.last_status}."


def _nowhere(found: Found) -> str:
    absence, clocks = found.after.absence, found.clocks
    there = "All its expected output is there. " if found.all_there else ""
    if found.after.phase is Phase.LOST:
        return f"It is lost, and still nowhere. {there}".strip()
    counted = absence.answers if absence is not None else 0
    needed = f"{clocks.lost_answers} such answers over {clocks.lost_after_s / 60:.0f} min"
    return (
        f"It is nowhere, in {counted} whole answer(s) so far. {there}That decides after {needed}; the watcher goes on."
    )


def _of_ended(found: Found) -> tuple[str, list[str]]:
    record, said = found.before, [f"It had ended: {found.before.last_status or found.before.phase}."]
    outcome = AS_IT_WAS
    if isinstance(found.sighting, Seen) and _is_other(found.sighting, record):
        outcome = CONTRADICTED
        said.append(f"Its scheduler says {found.sighting.status} now: register it again to watch that run.")
    elif isinstance(found.sighting, Absent):
        said.append("Its scheduler does not know it any more.")
    if record.phase is Phase.SUCCEEDED and found.missing:
        outcome = CONTRADICTED
        said.append(f"Its output is not there (any more): {', '.join(found.missing)}.")
    elif record.phase is not Phase.SUCCEEDED and found.all_there:
        outcome = CONTRADICTED if _failed_by_output(record) or record.phase is Phase.LOST else outcome
        said.append("All the output is there now.")
    return outcome, [*said, *([_KEPT] if outcome == CONTRADICTED else [])]


def _is_other(seen: Seen, record: JobRecord) -> bool:
    """Whether its source says of an ended job now what does not fit its end."""
    if _failed_by_output(record) and seen.phase is Phase.SUCCEEDED:
        return False
    return record.phase.final and seen.phase is not record.phase


def _failed_by_output(record: JobRecord) -> bool:
    return record.phase is Phase.FAILED and OUTPUT_MISSING in (record.reason or "")
