# about: a checkpoint with other layer names
# category: corrupt_data
# or: configuration
# or: code_error
# retryable: after_change
# evidence: Missing key\(s\) in state_dict|Error\(s\) in loading state_dict
# needs: venv
# tool: venv torch
### job
source /opt/venvs/train/bin/activate
python -u - <<'PY'
import torch
m = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.Linear(4, 2))
torch.save({f"module.{k}": v for k, v in m.state_dict().items()}, "last.ckpt")
print("=> loading checkpoint 'last.ckpt' (epoch 12)")
m.load_state_dict(torch.load("last.ckpt"))
PY
