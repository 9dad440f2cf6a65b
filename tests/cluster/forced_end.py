"""Ends that no command gives a job, asked of slurmctld through Slurm's own library, as slurmd or a plug-in would.

Run with SLURM_CONF set, as root: `python3 forced_end.py BOOT_FAIL|OUT_OF_MEMORY JOB`. Written for 22.05.8.
"""

import ctypes
import sys
from pathlib import Path

# slurm/slurm.h: what node_features gives for a node that came back wrong. The job must have been submitted with
# --no-requeue, or it waits again.
JOB_RECONFIG_FAIL = 1 << 17
# src/common/slurm_protocol_defs.h: the return code with which slurmstepd reports that the kernel's OOM killer came.
SIG_OOM = 253


def main(argv: list[str]) -> int:
    """Give a running job this end; the status is 0 when slurmctld took the request."""
    word, job = argv[0], ctypes.c_uint32(int(argv[1]))
    library = ctypes.CDLL(str(_library()), mode=ctypes.RTLD_GLOBAL)
    library.slurm_init(None)
    if word == "BOOT_FAIL":
        # Its answer is an error ("job is not requeueable"), also when the job has ended so.
        library.slurm_requeue(job, ctypes.c_uint32(JOB_RECONFIG_FAIL))
        return 0
    if word == "OUT_OF_MEMORY":
        return int(library.slurm_complete_job(job, ctypes.c_uint32(SIG_OOM)) != 0)
    print(f"no such end: {word}", file=sys.stderr)
    return 2


def _library() -> Path:
    found = sorted(Path("/usr").glob("lib*/**/slurm*/libslurmfull.so"))
    if not found:
        sys.exit("there is no libslurmfull.so below /usr/lib*")
    return found[0]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
