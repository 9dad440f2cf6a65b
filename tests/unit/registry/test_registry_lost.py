"""A lost job and its id, which may be another job's by now."""

from __future__ import annotations

from jobwarden_registry.events import EventKind
from jobwarden_registry.phases import Phase
from unit.registry.registry_rig import Rig, register, slurm, update


def test_a_lost_job_is_still_watched_and_closed_when_its_id_is_registered_again(rig: Rig) -> None:
    """Its scheduler may have given the id to another job: that one would never be watched."""
    (job,) = register(rig.process(), slurm("1"))
    update(rig.process(), job.uid, phase=Phase.LOST, resubmitted_as="9")
    assert [one.phase for one in rig.process().load()] == [Phase.LOST]
    with rig.process().transaction() as change:
        again, created = change.register(slurm("1"))
        assert created
        assert again.uid != job.uid
        assert (again.phase, again.resubmitted_as) == (Phase.UNKNOWN, None)
        assert change.register(slurm("1")) == (again, False)
    assert [one.uid for one in rig.process().load()] == [again.uid]
    closed = rig.events()[-2]
    assert (closed.event, closed.uid, closed.phase) == (EventKind.FINISHED, job.uid, "lost")
    assert "registered again" in (closed.text or "")


def test_who_saves_a_lost_job_again_as_it_is_or_with_its_end_means_that_job(rig: Rig) -> None:
    (job,) = register(rig.process(), slurm("1"))
    update(rig.process(), job.uid, phase=Phase.LOST)
    with rig.process().transaction() as change:
        for phase in (Phase.LOST, Phase.FAILED):
            assert change.register(slurm("1", phase=phase)) == (change.jobs[job.uid], False)
