# about: the batch script is ended by a signal of its own: 0:9
# category: unknown
# or: native_crash
# or: out_of_memory host
# or: out_of_memory cgroup
# or: cancelled
# retryable: no yes after_change
# shows: part 1
# sbatch: -t 5
### job
echo "part 1"; sleep 1; kill -9 $$
