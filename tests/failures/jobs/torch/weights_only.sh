# about: torch.load refuses a checkpoint with a class of the user's own
# category: configuration
# or: code_error
# or: corrupt_data
# retryable: after_change
# evidence: Weights only load failed
# needs: venv
# tool: venv torch
### job
source /opt/venvs/train/bin/activate
python -u - <<'PY'
import torch
class Config: lr = 1
torch.save({"config": Config()}, "run.pt")
print("loading run.pt")
torch.load("run.pt")
PY
