# about: an index beyond the table: a device-side assertion
# category: cuda device_assert
# or: code_error
# retryable: after_change no
# evidence: device-side assert triggered
# evidence: Assertion `.*` failed
# needs: venv cuda
# tool: venv torch
### job
source /opt/venvs/train/bin/activate
cat > t.py <<'PY'
import torch
emb = torch.nn.Embedding(1000, 64).cuda()
for step in range(5):
    ids = torch.randint(0, 1000 + 500 * (step == 4), (64,), device="cuda")
    print("step", step, emb(ids).sum().item(), flush=True)
PY
python t.py
