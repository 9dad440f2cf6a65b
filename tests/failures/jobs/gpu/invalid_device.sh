# about: a GPU that the job does not have
# category: cuda not_available
# or: configuration
# or: cuda
# retryable: after_change
# evidence: invalid device ordinal
# needs: venv cuda
# tool: venv torch
### job
source /opt/venvs/train/bin/activate
python -u -c '
import torch
print("local rank 7"); torch.cuda.set_device(7); torch.zeros(1, device="cuda")'
