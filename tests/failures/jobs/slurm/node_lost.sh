# about: its node stopped answering; the log says nothing
# category: node_failure
# retryable: yes
# shows: batch 1
# deed: kill c4
# sbatch: -p frail --no-requeue
### job
for i in $(seq 1 30); do echo "batch $i"; sleep 1; done
