# about: a code error after an hour of progress, with cleanup chatter after it
# category: code_error
# retryable: after_change no
# evidence: ^TypeError: unsupported operand
# evidence: metrics.py", line \d+, in merge
# tool: python3 --version
### job
cat > metrics.py <<'PY'
def merge(a, b):
    return {k: a[k] + b[k] for k in a}
PY
cat > train.py <<'PY'
import sys, logging, atexit
import metrics
logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="[%(asctime)s][%(name)s][%(levelname)s] - %(message)s")
log = logging.getLogger("trainer")
atexit.register(lambda: log.info("shutting down 4 loader workers, 0 errors"))
state = {"loss": 0.0, "tokens": 0}
for step in range(0, 400, 10):
    log.info("step=%d loss=%.4f lr=3.0e-04 tokens/s=18%03d eta=0:4%d:00", step, 8 / (1 + step / 50), step % 999, step % 9)
    new = {"loss": 1.0, "tokens": 100 if step < 380 else None}
    state = metrics.merge(state, new)
PY
python train.py; rc=$?
echo "Epilogue: copying logs to /home/alice/archive"
echo "Epilogue: done"
exit $rc
