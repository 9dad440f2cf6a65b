# about: the time limit, seen by a step of two tasks that trap SIGTERM
# category: time_limit
# retryable: after_change
# evidence: CANCELLED AT .* DUE TO TIME LIMIT
# deed: timeout
# sbatch: -t 1 -n 2
### job
srun -l bash -c 'trap "echo caught signal 15, saving" TERM; for i in $(seq 1 600); do echo "iter $i"; sleep 1; done'
