# about: no checkpoint yet: starts afresh, as meant
# category: none
# shows: No such file or directory
# tool: python3 --version
### job
cat > train.py <<'PY'
import logging, pathlib
logging.basicConfig(level=logging.INFO, format="[%(levelname)s] %(message)s")
try:
    pathlib.Path("ckpt/last.pt").read_bytes()
except FileNotFoundError as e:
    logging.warning("could not load the checkpoint: %s. Starting from scratch.", e)
for e in range(3):
    logging.info("epoch %d loss %.3f", e, 1 / (e + 1))
logging.info("saved ckpt/last.pt")
PY
python3 train.py
