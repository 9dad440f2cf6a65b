# about: a class label beyond the number of classes, in the loss
# category: cuda device_assert
# or: code_error
# retryable: after_change no
# evidence: device-side assert triggered
# evidence: Assertion `t >= 0 && t < n_classes` failed
# needs: venv cuda
# tool: venv torch
### job
source /opt/venvs/train/bin/activate
python -u -c '
import torch
x = torch.randn(8, 10, device="cuda"); print("10 classes")
print(torch.nn.functional.cross_entropy(x, torch.full((8,), 10, device="cuda")).item())'
