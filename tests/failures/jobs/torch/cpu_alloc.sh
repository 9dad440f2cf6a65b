# about: the CPU allocator is refused 8 TB
# category: out_of_memory host
# retryable: after_change
# evidence: DefaultCPUAllocator: can't allocate memory
# needs: venv
# tool: venv torch
### job
source /opt/venvs/train/bin/activate
python -u - <<'PY'
import torch
print("Attention mask: 1048576 x 1048576")
scores = torch.zeros(1048576, 2097152)
PY
