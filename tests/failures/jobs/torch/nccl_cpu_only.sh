# about: the NCCL back end is asked for where there is none
# category: configuration
# or: distributed
# or: cuda not_available
# retryable: after_change
# evidence: Distributed package doesn't have NCCL built in|ProcessGroupNCCL is only supported with GPUs
# needs: venv
# tool: venv torch
### job
source /opt/venvs/train/bin/activate
export MASTER_ADDR=127.0.0.1 MASTER_PORT=29445 RANK=0 WORLD_SIZE=1
python -u -c '
import torch.distributed as dist
print("backend nccl"); dist.init_process_group("nccl")'
