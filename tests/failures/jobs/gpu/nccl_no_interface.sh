# about: NCCL is told of a network interface that does not exist
# category: distributed
# or: configuration
# or: network
# retryable: after_change
# evidence: no socket interface found|Bootstrap : no socket interface
# needs: venv cuda
# tool: venv torch
### job
source /opt/venvs/train/bin/activate
export NCCL_SOCKET_IFNAME=ib9 NCCL_DEBUG=WARN MASTER_ADDR=127.0.0.1 MASTER_PORT=29423 RANK=0 WORLD_SIZE=1
python -u -c '
import torch, torch.distributed as dist
dist.init_process_group("nccl"); x = torch.ones(4, device="cuda"); dist.all_reduce(x); print(x)'
