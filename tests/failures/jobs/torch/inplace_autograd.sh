# about: a variable needed for the gradient was changed in place
# category: code_error
# retryable: after_change no
# evidence: RuntimeError: one of the variables needed for gradient computation has been modified
# needs: venv
# tool: venv torch
### job
source /opt/venvs/train/bin/activate
python -u -c '
import torch
x = torch.ones(3, requires_grad=True); y = x.exp(); print("forward", y.sum().item()); y += 1; y.sum().backward()'
