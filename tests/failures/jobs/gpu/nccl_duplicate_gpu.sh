# about: two NCCL ranks on one GPU
# category: configuration
# or: distributed
# or: cuda
# retryable: after_change
# evidence: Duplicate GPU detected
# needs: venv cuda
# tool: venv torch
### job
source /opt/venvs/train/bin/activate
cat > t.py <<'PY'
import torch, torch.distributed as dist
torch.cuda.set_device(0); dist.init_process_group("nccl")
x = torch.ones(4, device="cuda"); dist.all_reduce(x); torch.cuda.synchronize()
PY
NCCL_DEBUG=WARN OMP_NUM_THREADS=1 torchrun --nproc-per-node 2 --master-port 29422 t.py
