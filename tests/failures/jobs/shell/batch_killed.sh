# about: the batch script itself is killed by SIGKILL; nothing says why
# category: unknown
# or: out_of_memory host
# or: out_of_memory cgroup
# or: native_crash
# or: cancelled
# retryable: no yes after_change
# shows: epoch 2
# tool: bash --version
### job
for e in 0 1 2; do echo "epoch $e done"; done
kill -KILL $$
