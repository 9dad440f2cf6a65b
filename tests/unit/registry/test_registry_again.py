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


def test_an_agents_word_on_a_job_that_a_hook_registered_is_kept(rig: Rig) -> None:
    """Its name was dropped without a word, and the job could not be called by it."""
    (job,) = register(rig.process(), slurm())
    (named,) = register(rig.process(), slurm(name="train", tags=("a",), description="the big one", log_path="/w/x.log"))
    assert (named.uid, named.name, named.tags, named.log_path) == (job.uid, "train", ("a",), "/w/x.log")
    (again,) = register(rig.process(), slurm(name="other", tags=("b", "a"), description="no"))
    assert (again.name, again.tags, again.description) == ("train", ("a", "b"), "the big one")
    assert [str(event.event) for event in rig.events()] == ["registered", "updated", "updated"]
