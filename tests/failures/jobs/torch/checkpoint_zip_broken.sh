# about: the middle of a checkpoint is zeroes (a node died while the file system held it back)
# category: corrupt_data
# retryable: after_change
# evidence: PytorchStreamReader failed|central directory|invalid|BadZipFile|Error
# needs: venv
# tool: venv torch
### job
source /opt/venvs/train/bin/activate
python -u - <<'PY'
import torch
torch.save({"w": torch.zeros(200, 200), "step": 1000}, "step-1000.pt")
n = len(open("step-1000.pt", "rb").read())
with open("step-1000.pt", "r+b") as f:
    f.seek(n - 900); f.write(b"\0" * 900)
print("Restoring states from the checkpoint path at step-1000.pt")
torch.load("step-1000.pt")
PY
