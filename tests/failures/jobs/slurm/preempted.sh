# about: preempted by a job of a partition with priority
# category: preempted
# retryable: yes
# evidence: DUE TO PREEMPTION
# deed: preempt
# sbatch: -p scav -w c3 --exclusive
### job
for i in $(seq 1 300); do echo "generation $i best=0.$i"; sleep 1; done
