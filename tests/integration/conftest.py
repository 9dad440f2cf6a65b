"""Fixtures that give tests the real thing."""

import os
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from support.cluster import Cluster, require_slurm, temporary_cluster
from support.household import household
from support.watched import OUTAGE_CLOCKS, Watched, use_cluster

CLUSTER_FIXTURES = ("cluster", "faulty_cluster")


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A cluster that all tests share: no faults. JOBWARDEN_TEST_CLUSTER names one that a developer left up."""
    left_up = os.environ.get("JOBWARDEN_TEST_CLUSTER")
    if left_up:
        yield Cluster.attach(Path(left_up))
        return
    require_slurm()
    with temporary_cluster() as made:
        yield made


@pytest.fixture(scope="module")
def faulty_cluster() -> Iterator[Cluster]:
    """A cluster of this module's own, to be broken; a test that does not mend what it broke calls `mend`."""
    require_slurm()
    with temporary_cluster() as made:
        yield made


@pytest.fixture
def lend(clean_environment: Path, faulty_cluster: Cluster) -> Iterator[Callable[..., Watched]]:
    """Gives a home with quick clocks that knows the cluster; afterwards faults are mended and alice's jobs ended.

    Called with text to append to the configuration, and with clocks (config.Clocks).
    """
    with ExitStack() as stack:

        def make(extra: str = "", **clocks: float) -> Watched:
            home = stack.enter_context(household(clean_environment, {**OUTAGE_CLOCKS, **clocks}, extra))
            use_cluster(home, faulty_cluster)
            return Watched(home)

        yield make
        faulty_cluster.mend()
        faulty_cluster.slurm("scancel", "--user", "alice")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the daemons' last words with every failure of a test that used a cluster, and what jobwarden did."""
    report = yield
    funcargs: dict[str, object] = getattr(item, "funcargs", {})
    if report.when == "call" and report.failed:
        for name in CLUSTER_FIXTURES:
            made = funcargs.get(name)
            if isinstance(made, Cluster):
                report.sections.append((f"logs of {name} ({made.dir})", made.logs()))
        folder = funcargs.get("clean_environment")
        if isinstance(folder, Path):
            kept = ("**/watcher-*.log", "**/events.jsonl", "**/rules.json")
            files = [path for pattern in kept for path in sorted(folder.glob(pattern)) if path.is_file()]
            report.sections += [(str(path), path.read_text(encoding="utf-8", errors="replace")) for path in files]
    return report
