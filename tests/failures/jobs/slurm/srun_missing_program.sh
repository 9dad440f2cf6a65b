# about: srun of a program that does not exist
# category: missing file
# or: environment
# or: missing
# retryable: after_change
# evidence: execve\(\): .*(No such file or directory)
# sbatch: -n 2
### job
echo "starting gmx"
srun gmx_mpi mdrun -deffnm prod
