# about: a checkpoint of another model size
# category: corrupt_data
# or: configuration
# or: code_error
# retryable: after_change
# evidence: size mismatch for|Error\(s\) in loading state_dict
# needs: venv
# tool: venv torch
### job
source /opt/venvs/train/bin/activate
python -u - <<'PY'
import torch
class Net(torch.nn.Module):
    def __init__(self, h):
        super().__init__(); self.embed = torch.nn.Embedding(100, h); self.head = torch.nn.Linear(h, 100)
torch.save(Net(64).state_dict(), "model.pt")
print("resuming from model.pt")
Net(128).load_state_dict(torch.load("model.pt"))
PY
