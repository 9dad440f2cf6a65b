"""Record the corpus from a test cluster: `python tests/recorder/record.py [CASE...]`, as root, about ten minutes.

Files of the same name in corpus/cases are overwritten; look at the difference before committing it.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath

import anyio
from anyio import to_thread

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from jobwarden.sources.base import Host  # noqa: E402 -- the path above comes first
from jobwarden.sources.slurm.recording import Look, look  # noqa: E402 -- as above
from jobwarden.transport.base import Chunk, Completed  # noqa: E402 -- as above
from jobwarden.transport.quoting import command_line  # noqa: E402 -- as above
from recorder.calm_cases import CALM, CROWDED  # noqa: E402 -- as above
from recorder.fault_cases import FAULTS  # noqa: E402 -- as above
from recorder.story import Case, Deed, Played, is_hidden  # noqa: E402 -- as above
from recorder.writing import write_case  # noqa: E402 -- as above
from support.cluster import Cluster, temporary_cluster  # noqa: E402 -- as above

MOST_S = 150.0
"""A batch that takes longer has gone wrong; what has been told to its end by then is written all the same."""
SETTLED_S = 8.0
"""How long nothing may be left to happen before a batch is over."""

_HOOK = """#!/bin/sh
{before}
echo "{what} $SLURM_JOB_ID $(date +%s.%N)" >> {stamps}
exit 0
"""


@dataclass
class MuxedSsh:
    """OpenSSH's client over one kept connection: a look costs 10 ms of it and not 280."""

    config: Path
    socket: Path
    host: str = "cluster-a"

    async def run(self, argv: Sequence[str], *, timeout_s: float, stdin: bytes = b"") -> Completed:
        """See `Transport.run`."""
        options = ["-o", "ControlMaster=auto", "-o", f"ControlPath={self.socket}", "-o", "ControlPersist=60"]
        line = command_line([word.encode() for word in argv]).decode()
        with anyio.fail_after(timeout_s):
            done = await anyio.run_process(
                ["ssh", "-F", str(self.config), *options, self.host, line], input=stdin, check=False
            )
        return Completed(done.returncode, done.stdout, done.stderr)

    async def read(self, path: PurePosixPath, *, start: int, max_bytes: int) -> Chunk | None:
        """See `Transport.read`; not used here."""
        raise NotImplementedError


class Stage:
    """Plays a batch of cases at once, and asks twice a second."""

    def __init__(self, cluster: Cluster, host: Host, cases: Sequence[Case]) -> None:
        self.cluster = cluster
        self.host = host
        self.looks: list[Look] = []
        self.ends: list[float] = []
        self.played: list[Played] = []
        self._stamps = cluster.dir / "hooks" / "stamps"
        self._busy = 0
        failing = ""
        for case in cases:
            words = [word.replace("FAILING", failing) for word in case.sbatch]
            job = cluster.sbatch(*words, user=case.user)
            failing = job if case.name == "failed with exit code 3" else failing
            self.played.append(Played(case, job, {"submit": time.time()}, looks=self.looks))

    async def play(self) -> list[Played]:
        """Play until nothing more happens."""
        began = settled_at = time.time()
        async with anyio.create_task_group() as tasks:
            while time.time() - settled_at < SETTLED_S and time.time() - began < MOST_S:
                ids = {int(one.id) for one in self.played}
                self.looks.append(await look(self.host, ids, self.looks[-1] if self.looks else None, everybody=True))
                self.ends.append(time.time())
                self._read_stamps()
                for one in self.played:
                    for deed in self._due(one):
                        tasks.start_soon(self._do, one, deed)
                if not self._settled():
                    settled_at = time.time()
                await anyio.sleep(max(0.0, self.looks[-1].began + 0.5 - time.time()))
        return self.played

    def _read_stamps(self) -> None:
        lines = self._stamps.read_text().splitlines() if self._stamps.exists() else []
        for one in self.played:
            one.stamps.clear()
        for line in lines:
            what, raw, at = line.split()
            for one in self.played:
                one.stamps.setdefault(raw, []).append((what, float(at)))

    @staticmethod
    def _due(one: Played) -> list[Deed]:
        due: list[Deed] = []
        for deed in one.case.deeds:
            after = one.when(deed.after)
            if deed.name not in one.done and after is not None and time.time() >= after + deed.delay_s:
                due.append(deed)
                one.done[deed.name] = time.time()
        return due

    async def _do(self, one: Played, deed: Deed) -> None:
        self._busy += 1
        await to_thread.run_sync(partial(deed.do, self.cluster, one.id))
        self._busy -= 1

    def _settled(self) -> bool:
        last = self.looks[-1]
        broken = last.squeue.failure or (last.sacct.failure and last.sacct.failure.status != 127)
        if self._busy or broken or not all(one.finished() for one in self.played):
            return False
        if any(deed.name not in one.done for one in self.played for deed in one.case.deeds):
            return False
        over = [one for one in self.played if one.case.end.phase != "pending"]
        if any(is_hidden(one, last, self.ends[-1]) for one in over if not one.case.forgotten):
            return False  # accounting has not told of it yet
        return not any(one.queue_rows(last) for one in over)


def _set_hooks(cluster: Cluster) -> None:
    hooks = cluster.dir / "hooks"
    slow = f"[ -e {hooks}/slow.$SLURM_JOB_ID ] && sleep 20"
    for name, what, before in (("prolog", "start", ""), ("epilog", "end", slow)):
        (hooks / f"{name}.sh").write_text(_HOOK.format(what=what, before=before, stamps=hooks / "stamps"))


def _batches(wanted: Sequence[str]) -> list[list[Case]]:
    crowded = [case for case in CALM if case.name in CROWDED]
    batches = [crowded, [case for case in CALM if case.name not in CROWDED], *([case] for case in FAULTS)]
    chosen = [[case for case in batch if not wanted or case.name in wanted] for batch in batches]
    return [batch for batch in chosen if batch]


def main(wanted: Sequence[str], say: Callable[[str], object] = print) -> None:
    """Record these cases; all for none. Some need another beside them: a deadline cannot be missed on idle nodes."""
    with temporary_cluster() as cluster, tempfile.TemporaryDirectory(prefix="jw-mux-") as folder:
        _set_hooks(cluster)
        transport = MuxedSsh(cluster.ssh_config, Path(folder) / "mux")
        host = Host(transport=transport, machine_id="recorder", timeout_s=75)
        for batch in _batches(wanted):
            say(f"{len(batch)} cases: {', '.join(case.name for case in batch)}")
            stage = Stage(cluster, host, batch)
            for one in anyio.run(stage.play):
                if not one.finished():
                    say(f"  {one.case.name} IS NOT RECORDED: {one.phases()} {one.stamps.get(one.id)} {one.done}")
                    continue
                path = write_case(one, stage.ends, ROOT / "corpus" / "cases")
                moments = len(json.loads(path.read_text(encoding="utf-8"))["moments"])
                say(f"  {path.name}: {moments} moments, {path.stat().st_size} bytes")
            for one in stage.played:
                cluster.slurm("scancel", one.id)
            cluster.mend()
            _set_hooks(cluster)
            (cluster.dir / "hooks" / "stamps").unlink(missing_ok=True)


if __name__ == "__main__":
    main(sys.argv[1:])
