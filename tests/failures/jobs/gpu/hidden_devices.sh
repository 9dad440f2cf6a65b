# about: a CUDA build that sees no GPU (CUDA_VISIBLE_DEVICES is empty)
# category: cuda not_available
# retryable: after_change
# evidence: No CUDA GPUs are available|no CUDA-capable device is detected
# needs: venv cuda
# tool: venv torch
### job
source /opt/venvs/train/bin/activate
export CUDA_VISIBLE_DEVICES=
python -u -c 'import torch; print(torch.version.cuda); torch.zeros(1, device="cuda")'
