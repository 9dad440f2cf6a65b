# about: the program stops itself because the loss is NaN
# category: code_error
# or: corrupt_data
# or: unknown
# retryable: after_change no
# evidence: Loss is (nan|inf), stopping training|FloatingPointError
# needs: venv
# tool: venv torch
### job
source /opt/venvs/train/bin/activate
cat > t.py <<'PY'
import math, sys, torch
w = torch.tensor(3.0, requires_grad=True)
for it in range(50):
    loss = (w ** 4).mean(); loss.backward()
    with torch.no_grad(): w -= 0.5 * w.grad
    w.grad = None
    print(f"Epoch: [0]  [{it:3}/5004]  eta: 0:41:{it:02}  lr: 0.5  loss: {loss.item():.4f}", flush=True)
    if not math.isfinite(loss.item()):
        print(f"Loss is {loss.item()}, stopping training"); sys.exit(1)
    if it > 3: w.data.fill_(float("nan"))
PY
python t.py
