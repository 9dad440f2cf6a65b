# about: preempt warning signal is taken, a checkpoint written, and the job goes on to its end
# category: none
# shows: SIGUSR1
# tool: python3 --version
### job
cat > train.py <<'PY'
import os, signal, time
def save(sig, frame): print(f"caught {signal.Signals(sig).name}: job may be preempted, saving an emergency checkpoint", flush=True)
signal.signal(signal.SIGUSR1, save); signal.signal(signal.SIGTERM, save)
for s in range(6):
    print("step", s, flush=True)
    if s == 3: os.kill(os.getpid(), signal.SIGUSR1)
    if s == 4: os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(0.05)
print("reached max_steps, exiting normally")
PY
python3 train.py
