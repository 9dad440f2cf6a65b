# about: a CPU build is asked for cuda
# category: cuda not_available
# retryable: after_change
# evidence: Torch not compiled with CUDA enabled|No CUDA GPUs are available|Found no NVIDIA driver
# needs: venv
# tool: venv torch
### job
source /opt/venvs/train/bin/activate
cat > train.py <<'PY'
import torch
print("torch", torch.__version__)
class Trainer:
    def __init__(self, device): self.model = torch.nn.Linear(10, 10).to(device)
Trainer("cuda")
PY
python -u train.py
