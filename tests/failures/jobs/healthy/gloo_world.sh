# about: two gloo ranks train; torchrun itself fails at their end, and the script goes on and exits 0
# category: none
# alone: no
# shows: rank 1
# needs: venv
# tool: venv torch
### job
source /opt/venvs/train/bin/activate
cat > ddp.py <<'PY'
import torch, torch.distributed as dist
dist.init_process_group("gloo")
t = torch.ones(1)
for s in range(3):
    dist.all_reduce(t); print(f"[rank {dist.get_rank()}] step {s} t={t.item()}", flush=True)
PY
torchrun --nproc-per-node 2 --master-port 29411 ddp.py
echo "rank 1 and rank 0 finished"
