# about: a kernel writes through a wild pointer
# category: cuda illegal_access
# retryable: no after_change
# evidence: an illegal memory access was encountered
# needs: venv cuda
# tool: venv torch
### job
source /opt/venvs/train/bin/activate
cat > t.py <<'PY'
import torch
wild = torch.cuda._compile_kernel('extern "C" __global__ void wild(float *x, long long far) { x[far + threadIdx.x] = 1.0f; }', "wild")
x = torch.zeros(16, device="cuda")
for step in range(4):
    wild((1, 1, 1), (16, 1, 1), (x, 0 if step < 3 else 1 << 44))
    torch.cuda.synchronize()
    print("step", step, x.sum().item(), flush=True)
PY
python t.py
