# about: can't start new thread
# category: resource_limit
# retryable: after_change
# evidence: RuntimeError: can't start new thread
# tool: python3 --version
### job
ulimit -u 20
python3 -u - <<'PY'
import threading, time
from concurrent.futures import ThreadPoolExecutor
print("thread pool of 128")
with ThreadPoolExecutor(128) as ex:
    fs = [ex.submit(time.sleep, 0.5) for _ in range(128)]
    print(len([f.result() for f in fs]))
PY
