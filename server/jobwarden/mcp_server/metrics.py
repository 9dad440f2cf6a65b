"""The numbers in Prometheus's text format, version 0.0.4.

Written by hand: they come from files that other processes write, so that of a client library only the writer would be
used (decision 0033).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from jobwarden.service.board_views import MetricsView

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_COUNTED = {
    "polls": ("jobwarden_polls_total", "Questions put to a source on a host.", ("type", "host")),
    "errors": ("jobwarden_poll_errors_total", "Questions that got no answer.", ("type", "host", "code")),
    "commands": ("jobwarden_remote_commands_total", "Commands run on a host.", ("host",)),
    "reads": ("jobwarden_file_reads_total", "Pieces of files read on a host.", ("host",)),
}

Labels = tuple[tuple[str, str], ...]


def metrics_text(view: MetricsView) -> str:
    """Write them all down."""
    watcher = view.watcher
    parts = [
        _family("jobwarden_build_info", "gauge", "The version.", {(("version", view.version),): 1}),
        _family("jobwarden_watcher_up", "gauge", "Whether the watcher runs.", {(): int(watcher.running)}),
    ]
    if watcher.started_at is not None:
        started: dict[Labels, float] = {(): watcher.started_at.timestamp()}
        parts.append(_family("jobwarden_watcher_start_time_seconds", "gauge", "When it began.", started))
    jobs: dict[Labels, float] = {
        (("phase", str(one.phase)), ("type", one.type), ("host", one.host)): one.jobs for one in view.jobs
    }
    parts.append(_family("jobwarden_jobs", "gauge", "Jobs that live, or ended in the last day.", jobs))
    parts += [*_hosts(view), *_counts(view)]
    broken: dict[Labels, float] = {(): view.unreadable}
    parts.append(_family("jobwarden_sessions_unreadable", "gauge", "Sessions that cannot be read.", broken))
    return "".join(parts)


def _hosts(view: MetricsView) -> Iterable[str]:
    ages: dict[Labels, float] = {}
    failing: dict[Labels, float] = {}
    for one in view.hosts:  # one name may lead to two places: the worse of both is told
        labels = (("type", one.type), ("host", one.host))
        failing[labels] = max(failing.get(labels, 0), int(bool(one.failure)))
        if one.age_s is not None:
            ages[labels] = max(ages.get(labels, 0.0), one.age_s)
    yield _family("jobwarden_answer_age_seconds", "gauge", "Age of the last whole answer.", ages)
    yield _family("jobwarden_host_failing", "gauge", "Whether the last question got no answer.", failing)


def _counts(view: MetricsView) -> Iterable[str]:
    for what, (name, told, names) in _COUNTED.items():
        counts = {
            tuple((label, str(getattr(one, label))) for label in names): one.count
            for one in view.counts
            if one.what == what
        }
        yield _family(name, "counter", told, counts)


def _family(name: str, kind: str, told: str, values: Mapping[Labels, float]) -> str:
    lines = [f"# HELP {name} {told}", f"# TYPE {name} {kind}"]
    for labels, value in values.items():
        inner = ",".join(f'{label}="{_escaped(text)}"' for label, text in labels)
        lines.append(f"{name}{{{inner}}} {value}" if inner else f"{name} {value}")
    return "\n".join(lines) + "\n"


def _escaped(text: str) -> str:
    clean = text.encode("utf-8", "replace").decode()
    return clean.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
