# about: a token beyond the embedding table, on the CPU
# category: code_error
# or: corrupt_data
# retryable: after_change no
# evidence: IndexError: index out of range in self
# needs: venv
# tool: venv torch
### job
source /opt/venvs/train/bin/activate
cat > t.py <<'PY'
import torch
emb = torch.nn.Embedding(32000, 16)
for step in range(5):
    ids = torch.randint(0, 32000 + 20000 * (step == 4), (8, 128))
    print("step", step, emb(ids).mean().item())
PY
python -u t.py
