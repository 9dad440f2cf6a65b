# about: the command module itself does not exist in this shell; the compiler is then missed
# category: environment
# retryable: after_change
# evidence: module: command not found
# tool: bash --version
### job
module load openmpi/4.1
mpicc_is_here=$(command -v mpixlc) || { echo "no compiler"; exit 1; }
