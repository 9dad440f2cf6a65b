# about: CUDA out of memory is caught, the batch is halved, training ends well
# category: none
# shows: CUDA out of memory
# needs: venv cuda
# tool: venv torch
### job
source /opt/venvs/train/bin/activate
cat > t.py <<'PY'
import torch
batch = 1 << 32
while True:
    try:
        x = torch.zeros(batch, 64, device="cuda"); break
    except torch.OutOfMemoryError as e:
        print(f"batch {batch}: {e}", flush=True); batch //= 64
for s in range(5): print("step", s, "batch", batch, "loss", 1 / (s + 1))
print("finished")
PY
python t.py
