# about: four ranks with a log each; rank 3 misses a file, the others say that the connection was closed
# category: missing file
# retryable: after_change
# evidence: FileNotFoundError.*shard-3 @@ rank3.log
# logs: rank*.log
# needs: venv
# limit: 180
# tool: venv torch
### job
source /opt/venvs/train/bin/activate
export OMP_NUM_THREADS=1 MASTER_ADDR=127.0.0.1 MASTER_PORT=29414 WORLD_SIZE=4
for i in 0 1 2; do echo data > shard-$i.bin; done
cat > t.py <<'PY'
import os, time, torch, torch.distributed as dist
dist.init_process_group("gloo")
r = dist.get_rank(); x = torch.ones(10)
print(f"rank {r} of {dist.get_world_size()} ready", flush=True)
for step in range(8):
    dist.all_reduce(x)
    print(f"rank {r} step {step}", flush=True)
    if step == 3:
        open(f"shard-{r}.bin").read()
PY
pids=""
for r in 0 1 2 3; do RANK=$r LOCAL_RANK=$r python -u t.py > rank$r.log 2>&1 & pids="$pids $!"; done
status=0
for p in $pids; do wait $p || status=$?; done
echo "ranks ended with $status"
exit $status
