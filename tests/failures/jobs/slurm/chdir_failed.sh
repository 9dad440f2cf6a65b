# about: the working folder is gone: slurmstepd goes on in /tmp, and the data is not there
# category: missing file
# or: configuration
# retryable: after_change
# evidence: couldn't chdir to
# evidence: data/train.txt: No such file or directory
# sbatch: -D /home/alice/deleted-project -o {home}/slurm-%j.out
### job
set -e
cat data/train.txt
