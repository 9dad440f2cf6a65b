"""Registering a job that is watched already."""

from __future__ import annotations

from jobwarden_registry.model import Expectation
from unit.registry.registry_rig import Rig, register, slurm


def test_what_a_later_registration_expects_of_a_watched_job_is_added(rig: Rig) -> None:
    first, second = Expectation(path="a.pt"), Expectation(path="b.pt")
    (job,) = register(rig.process(), slurm(expect=(first,)))
    (again,) = register(rig.process(), slurm(expect=(second, first)))
    assert (again.uid, again.expect) == (job.uid, (first, second))
    assert rig.process().load()[0].expect == (first, second)
    register(rig.process(), slurm(expect=(first,)))
    assert [str(event.event) for event in rig.events()] == ["registered", "updated"]
