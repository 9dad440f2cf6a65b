# about: a job script that demands a GPU driver
# category: cuda not_available
# or: environment
# or: missing file
# or: cuda driver
# retryable: after_change
# evidence: nvidia-smi: command not found
# tool: bash --version
### job
set -e
echo "== GPU check"
nvidia-smi -L
python train.py
