# about: a program that is not on the PATH: 127
# category: environment
# or: missing file
# or: missing
# retryable: after_change
# evidence: lmp_mpi: command not found
# tool: bash --version
### job
set -e
echo "LAMMPS run on $SLURM_JOB_NODELIST"
lmp_mpi -in in.melt
