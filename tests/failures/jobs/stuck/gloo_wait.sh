# about: rank 1 sleeps, rank 0 waits in a collective; quiet for three hours (the time is set, the log real)
# category: stuck
# or: distributed
# retryable: yes after_change no
# look: 14
# fact: quiet_s 10800
# fact: elapsed_s 12000
# shows: step 2
# needs: venv
# tool: venv torch
### job
source /opt/venvs/train/bin/activate
cat > t.py <<'PY'
import time, torch, torch.distributed as dist
dist.init_process_group("gloo")
x = torch.ones(4)
for step in range(9):
    if dist.get_rank() == 1 and step == 3: time.sleep(9999)
    dist.all_reduce(x)
    if dist.get_rank() == 0: print(f"step {step} loss {1 / (step + 1):.3f}", flush=True)
PY
OMP_NUM_THREADS=1 torchrun --nproc-per-node 2 --master-port 29431 t.py
