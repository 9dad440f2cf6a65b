# about: srun of a file that is not executable
# category: permission
# retryable: after_change
# evidence: execve\(\): .*Permission denied
# sbatch: -n 1
### job
echo 'echo hi' > run.sh; chmod 644 run.sh
srun ./run.sh
