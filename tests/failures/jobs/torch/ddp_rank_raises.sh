# about: rank 2 of 4 raises; the others get connection closed, and torchrun a ChildFailedError
# category: code_error
# retryable: after_change no
# evidence: ValueError: rank 2: expected 128 features
# evidence: rank2.*train_ddp.py", line \d+, in load
# needs: venv
# limit: 180
# tool: venv torch
### job
source /opt/venvs/train/bin/activate
export OMP_NUM_THREADS=1
cat > train_ddp.py <<'PY'
import os, torch, torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel as DDP
def load(rank, step):
    n = 127 if rank == 2 and step == 12 else 128
    x = torch.randn(4, n)
    if x.shape[1] != 128:
        raise ValueError(f"rank {rank}: expected 128 features, got {x.shape[1]} (shard 0{rank}, step {step})")
    return x
def main():
    dist.init_process_group("gloo")
    rank = dist.get_rank()
    model = DDP(torch.nn.Linear(128, 1))
    opt = torch.optim.SGD(model.parameters(), 1e-3)
    for step in range(30):
        loss = model(load(rank, step)).pow(2).mean()
        opt.zero_grad(); loss.backward(); opt.step()
        if rank == 0 and step % 4 == 0:
            print(f"step {step} loss {loss.item():.4f}", flush=True)
main()
PY
torchrun --nproc-per-node 4 --master-port 29412 train_ddp.py
rc=$?
echo "srun-like epilogue: collecting logs"
exit $rc
