# about: the store is up but one of three ranks never joins
# category: distributed
# retryable: yes
# evidence: DistStoreError: Timed out|Timed out after .* waiting for clients
# needs: venv
# limit: 180
# tool: venv torch
### job
source /opt/venvs/train/bin/activate
export MASTER_ADDR=127.0.0.1 MASTER_PORT=29556 WORLD_SIZE=3
cat > t.py <<'PY'
import datetime, torch.distributed as dist
dist.init_process_group("gloo", timeout=datetime.timedelta(seconds=5))
PY
RANK=0 python -u t.py & RANK=1 python -u t.py
wait $!
rc=$?
exit $rc
