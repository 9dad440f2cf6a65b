# about: every rank of torchrun misses the same package
# category: missing module
# retryable: after_change
# evidence: ModuleNotFoundError: No module named 'megatron'
# needs: venv
# limit: 180
# tool: venv torch
### job
source /opt/venvs/train/bin/activate
echo 'from megatron.core import parallel_state' > pretrain.py
OMP_NUM_THREADS=1 torchrun --nproc-per-node 3 --master-port 29442 pretrain.py --tensor-model-parallel-size 1
