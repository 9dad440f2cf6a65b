# about: one rank sleeps through a collective; gloo times out on the other
# category: distributed
# retryable: yes
# evidence: Timed out waiting .* for (recv|send) operation|Application timeout caused
# needs: venv
# limit: 180
# tool: venv torch
### job
source /opt/venvs/train/bin/activate
cat > t.py <<'PY'
import datetime, time, torch, torch.distributed as dist
dist.init_process_group("gloo", timeout=datetime.timedelta(seconds=5))
x = torch.ones(4)
for step in range(5):
    if dist.get_rank() == 1 and step == 2:
        time.sleep(40)
    dist.all_reduce(x)
    print(f"[{dist.get_rank()}] step {step} ok", flush=True)
PY
torchrun --nproc-per-node 2 --master-port 29415 t.py
