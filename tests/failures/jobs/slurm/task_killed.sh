# about: one task is killed by a signal from within; srun names the task
# category: out_of_memory host
# or: native_crash
# or: unknown
# or: out_of_memory cgroup
# retryable: no yes after_change
# evidence: task 1: Killed
# sbatch: -n 2 -N 1
### job
srun bash -c 'echo "task $SLURM_PROCID"; sleep 1; [ $SLURM_PROCID = 1 ] && kill -KILL $$; sleep 2; exit 0'
exit $?
