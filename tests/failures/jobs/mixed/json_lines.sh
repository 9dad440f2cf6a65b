# about: a structured log: the fatal record names a refused connection after recovered ones
# category: network
# retryable: yes after_change
# evidence: "level": "fatal".*Connection refused
# tool: python3 --version
### job
cat > t.py <<'PY'
import json, socket, sys
def log(level, msg, **more): print(json.dumps({"ts": "2026-11-21T12:00:00Z", "level": level, "msg": msg, **more}), flush=True)
log("info", "starting", workers=4)
for n in range(40): log("info", "tick", step=n, errors=0)
log("error", "lost the scheduler, reconnected", attempt=1)
try: socket.create_connection(("127.0.0.1", 8786))
except OSError as e:
    log("fatal", f"scheduler 127.0.0.1:8786: {e}"); sys.exit(1)
PY
python3 t.py
