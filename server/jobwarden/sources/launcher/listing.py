"""The experiments of nemo-run's own records that may be alive."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import PurePosixPath

from jobwarden.sources.base import CouldNotAsk, DependsOn, Found, Host, Seen, watched_facts
from jobwarden.sources.framing import new_nonce, read_parts
from jobwarden.sources.launcher.commands import Place, list_argv
from jobwarden.sources.launcher.conclude import concluded
from jobwarden.sources.launcher.ids import launched_at, parse_experiment_id
from jobwarden.sources.launcher.look import Experiment
from jobwarden_registry.errors import InvalidIdError

QUESTION = "nemo-run's experiments"
_RECENT = timedelta(days=14)
_MOST = 40
_NAME_CHARS = 200


async def list_recent(host: Host, now: datetime) -> list[Place]:
    """List the latest experiments in nemo-run's homes: the default, `$NEMORUN_HOME`, the project's, and watched ones'.

    Raises:
        TransportError: As `Transport.run`.
        UnreadableAnswerError: The answer is torn.
    """
    watched = watched_facts(host)
    project = host.settings.get("project")
    homes = [str(facts.get("home") or "") for facts in watched]
    if isinstance(project, str):
        homes += [project, str(PurePosixPath(project) / "tools" / "launcher")]
    nonce = new_nonce()
    absolute = [home for home in dict.fromkeys(homes) if home.startswith("/")]
    argv = list_argv(nonce, absolute, limit_s=host.timeout_s)
    done = await host.transport.run(argv, timeout_s=host.timeout_s)
    parts = {name: part.stdout.decode("utf-8", "replace") for name, part in read_parts(done.stdout, nonce).items()}
    found: dict[str, str] = {}
    for name, home in parts.items():
        kind, _, number = name.partition(".")
        if kind == "home":
            found |= {one: home for one in parts.get(f"ids.{number}", "").split("\n") if _is_recent(one, now)}
    latest = sorted(found, key=launched_at, reverse=True)[:_MOST]
    return [Place(one, found[one]) for one in latest]


def describe(one: Place, experiment: Experiment, seen: DependsOn | CouldNotAsk) -> Found | None:
    """Give an experiment as it is listed; None where nothing of it can be alive.

    Who launched it and could not submit it has left records, too: without a Slurm job it lives while a process does.
    """
    if not isinstance(seen, DependsOn):
        return None
    listed = Found(
        id=one.experiment,
        name=str(seen.memo.get("called") or "")[:_NAME_CHARS] or None,
        what=_what(one, experiment, seen.host),
        question=QUESTION,
        submitted_at=launched_at(one.experiment),
        facts=seen.facts,
    )
    if seen.slurm_ids:
        return listed.model_copy(update={"depends": seen})
    holders = experiment.holders
    at_work = holders is not None and (holders.tasks or holders.launchers or holders.output)
    whole = concluded(seen, {})
    if not at_work or not isinstance(whole, Seen) or whole.phase.final:
        return None
    return listed.model_copy(update={"phase": whole.phase, "status": whole.status, "started_at": whole.started_at})


def _is_recent(text: str, now: datetime) -> bool:
    try:
        return parse_experiment_id(text) == text and now - launched_at(text) < _RECENT
    except (InvalidIdError, ValueError, OverflowError, OSError):
        return False


def _what(place: Place, experiment: Experiment, host: str) -> str:
    number = len(experiment.tasks or experiment.slurm or experiment.apps)
    where = f" on {host}" if host else ""
    return f"{number} task{'s' * (number != 1)}{where}, launched from {place.home}"
