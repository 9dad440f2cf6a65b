"""A job's batch script: from slurmctld while that remembers the job, else from accounting, if a site keeps it there."""

from __future__ import annotations

from jobwarden.sources.base import Host
from jobwarden.sources.framing import new_nonce, read_parts
from jobwarden.sources.slurm.commands import slurm_argv
from jobwarden.sources.slurm.ids import SlurmId
from jobwarden.sources.slurm.stored import script_of

# `-` as the file: to standard output (`man scontrol` 22.05). A job of srun has none, and slurmctld says so.
_SCRIPT = r"""
ask script scontrol write batch_script "$1" -
if [ "$jw_rc" -ne 0 ]; then ask stored sacct -B -j "$1"; fi
jw_done
"""


async def script(host: Host, job: SlurmId) -> str:
    """See `KeepsScripts.script`: one run."""
    nonce = new_nonce()
    argv = slurm_argv(_SCRIPT, nonce, str(job.base), cluster=host.cluster, limit_s=host.timeout_s / 2)
    done = await host.transport.run(argv, timeout_s=host.timeout_s)
    parts = read_parts(done.stdout, nonce)
    shown, stored = parts.get("script"), parts.get("stored")
    if shown is not None and shown.status == 0:
        return shown.stdout.decode("utf-8", "replace")
    if stored is not None and stored.status == 0:
        return script_of(stored.stdout.decode("utf-8", "replace"), str(job.base))
    return ""
