# about: numpy is refused an array (address space limited by ulimit -v, as sites do)
# category: out_of_memory host
# retryable: after_change
# evidence: Unable to allocate .* for an array
# needs: venv
# tool: venv numpy
### job
source /opt/venvs/train/bin/activate
ulimit -v 4000000
cat > t.py <<'PY'
import numpy as np
print("loading embeddings")
for i in range(4):
    print(f"block {i}: {np.zeros((1000, 1000)).nbytes >> 20} MiB")
x = np.zeros((60000, 60000), dtype=np.float64)
PY
OPENBLAS_NUM_THREADS=1 python -u t.py
