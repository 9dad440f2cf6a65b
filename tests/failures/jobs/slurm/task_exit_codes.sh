# about: task 2 of four exits 3 by an error of its own; srun reports it and kills the rest
# category: code_error
# retryable: after_change no
# evidence: 2: ValueError: empty shard
# sbatch: -n 4 -N 1
### job
srun -l --kill-on-bad-exit=1 python3 -u -c '
import os, time
r = int(os.environ["SLURM_PROCID"])
print("rank", r, "of 4 starts")
time.sleep(1)
if r == 2: raise ValueError("empty shard 2")
time.sleep(30)'
rc=$?
echo "srun returned $rc"
exit $rc
