"""What a plan says: jobs, and which wait for which. Made by `reading` and `session_file`, checked there."""

from __future__ import annotations

from enum import StrEnum

from pydantic import BaseModel, ConfigDict


class Needs(StrEnum):
    """How a job waits for another, in Slurm's words."""

    OK = "afterok"
    ANY = "afterany"
    NOT_OK = "afternotok"


class After(BaseModel):
    """One job that another waits for."""

    model_config = ConfigDict(frozen=True)

    job: str
    """Its name in the plan."""
    needs: Needs = Needs.OK


class JobSpec(BaseModel):
    """One job of a plan."""

    model_config = ConfigDict(frozen=True)

    name: str
    """In the plan, unique."""
    type: str = "slurm"
    host: str = "localhost"
    script: str = ""
    """Absolute, on this machine: read when it is submitted. Empty: see `script_on_host`."""
    script_on_host: str = ""
    """Absolute, on the host."""
    arguments: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    """Words of the scheduler's own, checked."""
    job_name: str = ""
    """Its name in the scheduler."""
    work_dir: str = ""
    """Absolute or beginning with `~/`, on the host; empty: the login's home there."""
    log: str = ""
    """Where it writes, for a job whose scheduler does not say; with %j, %A, %a, %x."""
    tags: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    expect: tuple[str, ...] = ()
    ready: str = ""
    after: tuple[After, ...] = ()
    description: str = ""
    dropped: bool = False
    """Its plan's file has it no more: what was submitted of it is watched, and nothing is submitted."""

    @property
    def known_as(self) -> str:
        """Its name in the scheduler."""
        return self.job_name or self.name

    @property
    def can_be_submitted(self) -> bool:
        """Whether anybody said what to submit."""
        return bool(self.script or self.script_on_host)


class PlanSpec(BaseModel):
    """A plan."""

    model_config = ConfigDict(frozen=True)

    name: str
    source: str = ""
    """The file, absolute."""
    jobs: tuple[JobSpec, ...] = ()

    def job(self, name: str) -> JobSpec | None:
        """Give one of its jobs."""
        return next((one for one in self.jobs if one.name == name), None)

    def in_order(self) -> tuple[JobSpec, ...]:
        """Give the jobs so that each comes after those that it waits for; in a circle: as they stand."""
        done: dict[str, JobSpec] = {}
        left = list(self.jobs)
        while left:
            ready = [one for one in left if all(each.job in done or self.job(each.job) is None for each in one.after)]
            if not ready:
                return (*done.values(), *left)
            done |= {one.name: one for one in ready}
            left = [one for one in left if one.name not in done]
        return tuple(done.values())
