# about: conda activate in a shell that knows no conda
# category: environment
# retryable: after_change
# evidence: conda: command not found
# tool: bash --version
### job
set -e
echo "SLURM_JOB_ID=$SLURM_JOB_ID"
conda activate llm
python train.py
