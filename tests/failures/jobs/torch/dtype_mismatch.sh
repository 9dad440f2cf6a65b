# about: Float and Long are mixed
# category: code_error
# retryable: after_change no
# evidence: RuntimeError: 
# needs: venv
# tool: venv torch
### job
source /opt/venvs/train/bin/activate
python -u - <<'PY'
import torch
m = torch.nn.Linear(4, 4)
print("forward ok:", m(torch.ones(4)).shape)
print("errors so far: 0")
m(torch.ones(4).long())
PY
