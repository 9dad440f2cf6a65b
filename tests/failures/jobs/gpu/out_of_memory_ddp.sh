# about: one rank of torchrun fills the GPU, the launcher reports it
# category: out_of_memory gpu
# retryable: after_change
# evidence: CUDA out of memory
# needs: venv cuda
# tool: venv torch
### job
source /opt/venvs/train/bin/activate
cat > t.py <<'PY'
import torch, torch.distributed as dist
dist.init_process_group("gloo"); r = dist.get_rank(); held = []
for step in range(5000):
    if r == 1: held.append(torch.empty(1 << 30, dtype=torch.uint8, device="cuda"))
    t = torch.ones(1); dist.all_reduce(t)
    if r == 0: print("step", step, flush=True)
PY
OMP_NUM_THREADS=1 torchrun --nproc-per-node 2 --master-port 29421 t.py
