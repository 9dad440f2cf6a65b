# about: cancelled by root, a step running
# category: cancelled
# retryable: yes after_change no
# evidence: CANCELLED AT
# deed: cancel root
# sbatch: -t 30 -n 2
### job
srun -l bash -c 'echo "rank $SLURM_PROCID up"; sleep 100'
