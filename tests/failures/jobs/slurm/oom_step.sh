# about: one of three tasks of a step is killed by the OOM killer; srun ends the others
# category: out_of_memory cgroup
# or: out_of_memory host
# retryable: after_change
# evidence: oom-kill event|oom_kill event|Out Of Memory
# evidence: task 1: (Out Of Memory|Killed)
# sbatch: --mem=150M -n 3 -N 1
### job
srun --kill-on-bad-exit=1 -l python3 -u -c '
import os, time
r = int(os.environ["SLURM_PROCID"])
x = []
for n in range(60):
    print("rank", r, "step", n); time.sleep(0.1)
    if r == 1: x.append(bytearray(10_000_000))'
echo "step ended with $?"
exit 1
