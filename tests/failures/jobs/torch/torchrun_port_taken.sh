# about: torchrun's port is taken by another job
# category: port_in_use
# retryable: after_change
# evidence: EADDRINUSE|address already in use
# needs: venv
# limit: 180
# tool: venv torch
### job
source /opt/venvs/train/bin/activate
python -m http.server 29500 --bind 0.0.0.0 >/dev/null 2>&1 & s=$!
sleep 1
echo 'import torch.distributed as d; d.init_process_group("gloo")' > t.py
export MASTER_ADDR=127.0.0.1 MASTER_PORT=29500 WORLD_SIZE=2 RANK=0
echo "starting rank 0"
timeout 60 python t.py
rc=$?; kill $s; exit $rc
