# about: warnings of every kind, twice the usual storm
# category: none
# shows: FutureWarning
# needs: venv
# tool: venv pandas
### job
source /opt/venvs/train/bin/activate
cat > w.py <<'PY'
import warnings
import pandas as pd, numpy as np
warnings.simplefilter("always")
for k in range(6):
    warnings.warn(f"torch.cuda.amp.GradScaler(args...) is deprecated; this will be an error in a future release ({k})", FutureWarning)
    warnings.warn("CUDA initialization: found no NVIDIA driver on your system, falling back to CPU", UserWarning)
df = pd.DataFrame({"a": [1, 2, np.nan]})
np.array([1.0]) / np.array([0.0])
import datetime; print(datetime.datetime.utcnow().year > 2000)
warnings.warn("ResourceExhausted handlers: failed to import optional module 'apex' (No module named 'apex')", ImportWarning)
print(df.describe())
PY
python -u w.py
