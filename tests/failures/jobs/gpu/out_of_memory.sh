# about: the batch grows until the GPU is full
# category: out_of_memory gpu
# retryable: after_change
# evidence: torch.OutOfMemoryError|torch.cuda.OutOfMemoryError|CUDA out of memory
# needs: venv cuda
# tool: venv torch
### job
source /opt/venvs/train/bin/activate
cat > train.py <<'PY'
import torch
print("device", torch.cuda.get_device_name())
model = torch.nn.Sequential(*[torch.nn.Linear(8192, 8192) for _ in range(8)]).cuda()
kept = []
for step in range(10000):
    x = torch.randn(4096 * 2 ** min(step, 8), 8192, device="cuda")
    kept.append(model(x))
    print(f"step {step} batch {x.shape[0]} max_mem {torch.cuda.max_memory_allocated() >> 20} MiB", flush=True)
PY
python train.py
