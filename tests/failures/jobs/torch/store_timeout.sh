# about: rank 0 never comes: the TCPStore of the others times out
# category: distributed
# or: network
# retryable: yes
# evidence: DistNetworkError|DistStoreError|timed out after
# needs: venv
# limit: 180
# tool: venv torch
### job
source /opt/venvs/train/bin/activate
export MASTER_ADDR=127.0.0.1 MASTER_PORT=29555 WORLD_SIZE=2 RANK=1
python -u - <<'PY'
import datetime, torch.distributed as dist
print("rank 1 waits for the rendezvous at 127.0.0.1:29555")
dist.init_process_group("gloo", timeout=datetime.timedelta(seconds=6))
PY
