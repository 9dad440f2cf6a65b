# about: rank 1 is killed (SIGKILL, as by an OOM killer); rank 0 sees the connection closed
# category: out_of_memory host
# or: distributed
# or: out_of_memory cgroup
# or: native_crash
# or: unknown
# retryable: after_change
# evidence: failed \(exitcode: -9\)
# evidence: exitcode  : -9
# evidence: Signal 9 \(SIGKILL\) received by PID
# needs: venv
# limit: 180
# tool: venv torch
### job
source /opt/venvs/train/bin/activate
export OMP_NUM_THREADS=1
cat > t.py <<'PY'
import os, signal, torch, torch.distributed as dist
dist.init_process_group("gloo")
r = dist.get_rank(); x = torch.ones(1000)
for step in range(50):
    dist.all_reduce(x); x /= 2
    if r == 0: print("iter", step, flush=True)
    if r == 1 and step == 5: os.kill(os.getpid(), signal.SIGKILL)
PY
torchrun --nproc-per-node 2 --master-port 29413 t.py
