# about: the time limit
# category: time_limit
# retryable: after_change
# evidence: CANCELLED AT .* DUE TO TIME LIMIT
# deed: timeout
# sbatch: -t 1
### job
for e in $(seq 1 600); do echo "epoch $e: loss 0.$((900 - e))"; sleep 1; done
