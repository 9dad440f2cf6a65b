# about: stdout says progress, stderr holds the error
# category: missing module
# retryable: after_change
# evidence: ModuleNotFoundError: No module named 'deepspeed'
# split: yes
# sbatch: -o out-%j -e err-%j
### job
echo "Mon start"; for i in 1 2 3; do echo "copied part $i"; done
python3 -c 'import deepspeed'
