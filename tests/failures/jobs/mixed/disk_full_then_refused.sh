# about: a data server dies of a full disk at the start; its client is refused again and again, for 300 lines, and gives up
# category: disk_full
# retryable: after_change
# evidence: OSError: \[Errno 28\] No space left on device
# tool: python3 --version
### root
mkdir /scratch && mount -t tmpfs -o size=1m,mode=1777 tmpfs /scratch
### job
cat > server.py <<'PY'
import http.server
print("[server] building the cache in /scratch", flush=True)
with open("/scratch/cache.bin", "wb") as f:
    for n in range(30): f.write(b"x" * 100_000); f.flush()
PY
cat > client.py <<'PY'
import time, urllib.request
for n in range(300):
    try:
        urllib.request.urlopen("http://127.0.0.1:7070/batch"); break
    except OSError as e:
        print(f"[client] WARNING batch 0: {e}, retry {n + 1}/300", flush=True); time.sleep(0.002)
else:
    raise RuntimeError("[client] the data server at 127.0.0.1:7070 does not answer, giving up")
PY
python3 server.py & sleep 0.5
python3 client.py
