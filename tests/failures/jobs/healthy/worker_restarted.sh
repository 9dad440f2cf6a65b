# about: a worker process is killed, its supervisor starts it again, and the work is finished
# category: none
# shows: died with signal 9
# tool: python3 --version
### job
cat > sup.py <<'PY'
import os, signal, subprocess, sys, time
code = "import time,sys; time.sleep(0.4); print('shard done', flush=True)"
for shard in range(4):
    for attempt in range(3):
        p = subprocess.Popen([sys.executable, "-c", code])
        if shard == 2 and attempt == 0:
            time.sleep(0.1); p.send_signal(signal.SIGKILL)
        rc = p.wait()
        if rc == 0: break
        print(f"ERROR worker for shard {shard} died with signal {-rc} (Killed), restarting (attempt {attempt + 2}/3)", flush=True)
print("all 4 shards finished")
PY
python3 sup.py
