# about: PyTorch without a GPU: warnings, then it trains on the CPU
# category: none
# shows: CUDA is not available|no CUDA
# needs: venv
# tool: venv torch
### job
source /opt/venvs/train/bin/activate
cat > train.py <<'PY'
import torch, warnings
if not torch.cuda.is_available():
    warnings.warn("CUDA is not available. Training on the CPU, this will be slow.")
torch.manual_seed(0)
with torch.autocast("cuda"):
    pass
m = torch.nn.Linear(8, 1); opt = torch.optim.SGD(m.parameters(), 0.05)
sched = torch.optim.lr_scheduler.StepLR(opt, 10)
sched.step()
for s in range(30):
    x = torch.randn(16, 8); loss = (m(x) - x.sum(1, keepdim=True)).pow(2).mean()
    opt.zero_grad(); loss.backward(); opt.step()
    if s % 5 == 0: print(f"step {s} loss {loss.item():.4f} error {abs(loss.item()):.4f}", flush=True)
print("done")
PY
python train.py
