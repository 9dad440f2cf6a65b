# about: the launcher is asked to end (SIGTERM, as by scancel) and says so with a traceback of its own
# category: cancelled
# or: preempted
# or: time_limit
# or: unknown
# or: distributed
# retryable: yes no after_change
# evidence: SignalException: Process \d+ got signal: 15|Received 15 death signal|got signal: 15
# needs: venv
# limit: 180
# tool: venv torch
### job
source /opt/venvs/train/bin/activate
cat > t.py <<'PY'
import time, torch.distributed as dist
dist.init_process_group("gloo")
for s in range(100):
    if dist.get_rank() == 0: print("step", s, flush=True)
    time.sleep(0.5)
PY
OMP_NUM_THREADS=1 torchrun --nproc-per-node 2 --master-port 29441 t.py &
p=$!; sleep 8; kill -TERM $p; wait $p
rc=$?; echo "torchrun ended with $rc"; exit $rc
