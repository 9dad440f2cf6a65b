# about: a structured log with errors that were recovered from
# category: none
# shows: "level": "error"
# tool: python3 --version
### job
python3 -u -c '
import json
for n in range(30):
    print(json.dumps({"level": "error" if n % 10 == 3 else "info", "msg": "upload failed: connection timed out, queued again" if n % 10 == 3 else "batch done", "exception": "TimeoutError" if n % 10 == 3 else None, "n": n}))
print(json.dumps({"level": "info", "msg": "finished", "failed": 0}))'
