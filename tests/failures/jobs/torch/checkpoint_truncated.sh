# about: a checkpoint cut short by a full disk the day before
# category: corrupt_data
# retryable: after_change
# evidence: OSError: .Errno 22. Invalid argument|PytorchStreamReader failed|failed finding central directory|EOFError|unexpected EOF
# needs: venv
# tool: venv torch
### job
source /opt/venvs/train/bin/activate
python -u - <<'PY'
import torch
torch.save({"w": torch.zeros(200, 200), "step": 1000}, "step-1000.pt")
open("step-1000.pt", "r+b").truncate(60_000)
print("INFO resuming from step-1000.pt")
torch.load("step-1000.pt")
PY
