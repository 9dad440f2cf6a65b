# about: rank 1 fails under @record: torchrun shows its traceback as the root cause
# category: corrupt_data
# or: code_error
# retryable: after_change no
# evidence: RuntimeError: shard 1: checksum mismatch
# needs: venv
# limit: 180
# tool: venv torch
### job
source /opt/venvs/train/bin/activate
cat > t.py <<'PY'
import os, time, torch.distributed as dist
from torch.distributed.elastic.multiprocessing.errors import record
@record
def main():
    dist.init_process_group("gloo")
    r = dist.get_rank(); print(f"[rank{r}] reading shard {r}", flush=True)
    time.sleep(1)
    if r == 1: raise RuntimeError("shard 1: checksum mismatch (expected 9f31, got 0000)")
    dist.barrier()
main()
PY
OMP_NUM_THREADS=1 torchrun --nproc-per-node 2 --master-port 29443 t.py
