# about: matrices that cannot be multiplied
# category: code_error
# retryable: after_change no
# evidence: mat1 and mat2 shapes cannot be multiplied
# needs: venv
# tool: venv torch
### job
source /opt/venvs/train/bin/activate
cat > model.py <<'PY'
import torch
class MLP(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.net = torch.nn.Sequential(torch.nn.Linear(784, 256), torch.nn.ReLU(), torch.nn.Linear(128, 10))
    def forward(self, x): return self.net(x)
PY
cat > train.py <<'PY'
import torch, model
m = model.MLP(); print(m)
m(torch.randn(32, 784))
PY
python -u train.py
