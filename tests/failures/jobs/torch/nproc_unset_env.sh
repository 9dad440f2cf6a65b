# about: env:// rendezvous outside a launcher
# category: configuration
# or: distributed
# or: environment
# retryable: after_change
# evidence: environment variable RANK expected, but not set
# needs: venv
# tool: venv torch
### job
source /opt/venvs/train/bin/activate
echo "config: {'lr': 0.001, 'bf16': True}"
python -c 'import torch.distributed as d; d.init_process_group("gloo")'
