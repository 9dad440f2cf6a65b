# about: mpirun cannot find the program
# category: missing file
# or: environment
# or: missing
# retryable: after_change
# evidence: mpirun was unable to (find the specified executable|launch the specified application)
# needs: mpicc
# tool: mpirun --version
### job
mpirun --oversubscribe -n 2 ./cp2k.popt -i water.inp
