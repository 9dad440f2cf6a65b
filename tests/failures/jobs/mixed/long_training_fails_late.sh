# about: three thousand lines of training, then a loss function gets the wrong shape
# category: code_error
# retryable: after_change no
# evidence: ^ValueError: operands could not be broadcast
# needs: venv
# tool: venv numpy
### job
source /opt/venvs/train/bin/activate
cat > t.py <<'PY'
import logging, numpy as np
logging.basicConfig(level=logging.INFO, format="[%(levelname)s|trainer.py:%(lineno)d] %(message)s")
for s in range(2600):
    logging.info("{'loss': %.4f, 'grad_norm': %.3f, 'epoch': %.2f}", 3 / (1 + s / 100), 1.0, s / 1000)
    if s % 500 == 499: logging.warning("Error rate on validation: %.3f; NaN count: 0; failed generations: 3", 0.3)
np.zeros((4, 3)) + np.zeros((3, 4))
PY
python t.py
