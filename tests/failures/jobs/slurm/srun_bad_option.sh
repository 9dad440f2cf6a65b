# about: an option that srun does not know
# category: configuration
# retryable: after_change
# evidence: unrecognized option
# sbatch: -n 1
### job
srun --cpus-per-tasks=4 python3 train.py
