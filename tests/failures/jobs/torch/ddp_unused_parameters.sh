# about: DDP: parameters that were not used in the loss
# category: code_error
# or: distributed
# retryable: after_change no
# evidence: Expected to have finished reduction in the prior iteration
# needs: venv
# limit: 180
# tool: venv torch
### job
source /opt/venvs/train/bin/activate
cat > t.py <<'PY'
import torch, torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel as DDP
class Net(torch.nn.Module):
    def __init__(self): super().__init__(); self.a = torch.nn.Linear(4, 4); self.b = torch.nn.Linear(4, 4)
    def forward(self, x): return self.a(x)
dist.init_process_group("gloo"); m = DDP(Net())
for s in range(3):
    m(torch.ones(2, 4)).sum().backward()
    print("step", s, flush=True)
PY
OMP_NUM_THREADS=1 torchrun --nproc-per-node 2 --master-port 29444 t.py
