# about: Python: no name server answers, after retries that say so
# category: name_resolution
# retryable: yes
# evidence: Temporary failure in name resolution
# tool: python3 --version
### job
cat > up.py <<'PY'
import logging, socket, time, urllib.request
logging.basicConfig(level=logging.WARNING)
for n in range(3):
    try:
        urllib.request.urlopen("https://wandb.example.org/api"); break
    except OSError as e:
        logging.warning("attempt %d: %s", n, e); last = e
else:
    raise SystemExit(f"upload failed: {last}")
PY
python3 -u up.py
