"""The wiring: what a process needs in order to ask and to judge, opened once and closed in order."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from jobwarden.config.model import Config
from jobwarden.config.reading import load_config, load_project, tightened
from jobwarden.ledger.ledger import Ledger
from jobwarden.ledger.overheard import OVERHEARD, Overheard
from jobwarden.sources.plugins import Sources, load_sources
from jobwarden.transport.pool import TransportPool
from jobwarden.transport.tally import COUNTS, Tally
from jobwarden.verdict.rounds import Rounds
from jobwarden.verdict.sessions import Sessions
from jobwarden.verdict.targets import Intervals
from jobwarden_registry.clock import Clock, utc_now
from jobwarden_registry.paths import Places, machine_id, user_places


@dataclass(frozen=True, slots=True)
class World:
    """Everything, by its part in the house."""

    env: Mapping[str, str]
    config: Config
    places: Places
    machine_id: str
    clock: Clock
    sessions: Sessions
    transports: TransportPool
    ledger: Ledger
    sources: Sources
    rounds: Rounds


def config_path(env: Mapping[str, str]) -> Path:
    """Name the user's configuration file: `$JOBWARDEN_CONFIG`, else under `$XDG_CONFIG_HOME` or `~/.config`."""
    named = env.get("JOBWARDEN_CONFIG")
    if named:
        return Path(named)
    base = env.get("XDG_CONFIG_HOME") or str(Path(env.get("HOME") or Path.home()) / ".config")
    return Path(base) / "jobwarden" / "config.toml"


@asynccontextmanager
async def open_world(
    env: Mapping[str, str], *, project: Path | None = None, clock: Clock = utc_now
) -> AsyncGenerator[World]:
    """Open everything for one process.

    Args:
        env: The process's environment.
        project: The folder whose `.jobwarden.toml` may tighten the configuration.
        clock: The present.

    Raises:
        ConfigError: A configuration file cannot be used.
        UntrustedError: The state folder is not the user's own.
    """
    config = load_config(config_path(env))
    if project is not None:
        config = tightened(config, load_project(project))
    intervals = Intervals(config)
    places = user_places(env)
    machine = machine_id(env)
    sessions = Sessions(places, clock=clock, clocks=config.clocks)
    ledger = Ledger(places.runtime / "ledger", clock=clock, clocks=config.clocks, host_interval=intervals.of)
    sources = load_sources()
    tally = Tally(places.runtime / COUNTS)
    async with TransportPool(config, env=env, machine_id=machine, tally=tally) as transports:
        rounds = Rounds(
            config=config,
            sessions=sessions,
            transports=transports,
            ledger=ledger,
            sources=sources,
            machine_id=machine,
            clock=clock,
            intervals=intervals,
            overheard=Overheard(places.runtime / OVERHEARD),
            tally=tally,
        )
        try:
            yield World(env, config, places, machine, clock, sessions, transports, ledger, sources, rounds)
        finally:
            tally.flush()
