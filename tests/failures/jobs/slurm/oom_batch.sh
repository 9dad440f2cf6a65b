# about: the batch script's Python is killed by the cgroup's OOM killer
# category: out_of_memory cgroup
# or: out_of_memory host
# retryable: after_change
# evidence: oom-kill event|oom_kill event
# evidence: Killed
# sbatch: --mem=100M
### job
echo "loading the dataset"
python3 -u -c '
x = []
for n in range(100):
    x.append(bytearray(10_000_000)); print("shard", n, "in memory")'
