# about: loss is NaN now and then, steps are skipped; numpy warns
# category: none
# shows: RuntimeWarning
# needs: venv
# tool: venv numpy
### job
source /opt/venvs/train/bin/activate
cat > train.py <<'PY'
import numpy as np
scale = 65536
for s in range(0, 120, 10):
    loss = np.log(np.float32(0)) - np.log(np.float32(0)) if s in (30, 70) else 3 / (1 + s)
    if np.isnan(loss):
        scale //= 2
        print(f"step {s}: Gradient overflow. Skipping step, loss scaler 0 reducing loss scale to {scale} (loss=nan, inf found)")
        continue
    print(f"step {s}: loss={loss:.4f}")
print("Training completed without errors")
PY
python -u train.py
