# about: cuBLAS finds no memory for its handle on a GPU filled by ourselves
# category: out_of_memory gpu
# or: cuda
# retryable: after_change
# evidence: CUBLAS_STATUS_(ALLOC_FAILED|NOT_INITIALIZED)|CUDA out of memory
# needs: venv cuda
# tool: venv torch
### job
source /opt/venvs/train/bin/activate
cat > t.py <<'PY'
import torch
a = torch.randn(64, 64, device="cuda"); held = []
size = 1 << 30
while size >= 1 << 20:
    try: held.append(torch.empty(size, dtype=torch.uint8, device="cuda"))
    except torch.OutOfMemoryError: size >>= 1
print("kv cache filled", len(held), "blocks", flush=True)
print((a @ a).sum().item())
PY
python t.py
