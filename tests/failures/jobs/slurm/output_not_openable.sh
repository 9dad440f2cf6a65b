# about: the output's folder does not exist: 0:53, and no log at all
# category: missing file
# or: configuration
# or: permission
# retryable: after_change
# sbatch: -o /home/alice/no/such/folder/%j.out
### job
echo hi
