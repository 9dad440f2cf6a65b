# about: srun -l lines with errors that are counted, and an end with 0
# category: none
# shows: oom
# sbatch: -n 2 -N 1
### job
srun -l bash -c 'echo "rank $SLURM_PROCID: 0 oom events, error rate 0.0, 3 requests failed and were retried"; echo "WARNING: slurmstepd: error: messages are only examples here" >&2'
