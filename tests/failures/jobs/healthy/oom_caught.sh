# about: an allocation is refused, the batch is halved, and training goes on to its end
# category: none
# shows: out of memory|can't allocate
# needs: venv
# tool: venv torch
### job
source /opt/venvs/train/bin/activate
cat > train.py <<'PY'
import torch
batch = 1 << 20
while True:
    try:
        x = torch.empty(batch, 1 << 22)
        break
    except RuntimeError as e:
        print(f"WARNING: RuntimeError: {e}\n  -> out of memory with batch size {batch}, trying {batch // 64}", flush=True)
        batch //= 64
print(f"continuing with batch size {batch}")
for s in range(0, 50, 10): print(f"step {s}: loss {4/(s+1):.4f}")
print("finished training: 50 steps")
PY
python train.py
