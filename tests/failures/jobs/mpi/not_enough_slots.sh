# about: more ranks than slots
# category: configuration
# or: resource_limit
# retryable: after_change
# evidence: There are not enough slots available
# needs: mpicc
# tool: mpirun --version
### job
echo "64 ranks"; mpirun -n 64 hostname
