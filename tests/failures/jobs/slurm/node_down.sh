# about: its node was set down
# category: node_failure
# retryable: yes
# evidence: DUE TO NODE FAILURE
# deed: down c4
# sbatch: -p frail --no-requeue
### job
for i in $(seq 1 300); do echo "batch $i"; sleep 1; done
