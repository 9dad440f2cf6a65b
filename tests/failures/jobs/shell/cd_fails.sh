# about: cd to a folder that is not there
# category: missing file
# retryable: after_change
# evidence: cd: /scratch/alice/run17: No such file or directory
# tool: bash --version
### job
set -e
echo "run 17"
cd /scratch/alice/run17
python train.py
