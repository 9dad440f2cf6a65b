# about: srun asks for more tasks than the job has
# category: configuration
# or: resource_limit
# retryable: after_change
# evidence: More processors requested than permitted|Unable to create step|Requested node configuration
# sbatch: -n 1
### job
srun -n 64 hostname
