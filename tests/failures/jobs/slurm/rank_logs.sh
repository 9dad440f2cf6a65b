# about: four tasks with a log each; task 2 runs out of the time its own watchdog allows, the rest lose their peer
# category: code_error
# retryable: after_change no
# evidence: IndexError: list index out of range @@ task-2.log
# logs: task-*.log
# sbatch: -n 4 -N 1
### job
echo "four tasks, logs in task-*-N.log"
srun -o task-$SLURM_JOB_ID-%t.log python3 -u -c '
import os, socket, sys, time
r = int(os.environ["SLURM_PROCID"]); port = 20000 + int(os.environ["SLURM_JOB_ID"])
shards = ["a", "b"]
print("task", r, "of 4", flush=True)
if r == 2:
    time.sleep(1); s = socket.create_connection(("127.0.0.1", port)); s.sendall(b"x"); print(shards[r])
elif r == 0:
    srv = socket.create_server(("127.0.0.1", port)); peer = srv.accept()[0]; peer.recv(1)
    if not peer.recv(1): raise ConnectionError("all_reduce: connection closed by peer (task 2)")
else:
    time.sleep(3); raise RuntimeError("NCCL-like watchdog: timed out waiting for task 0")'
rc=$?
echo "srun: $rc"
exit $rc
