# about: cancelled by its user, and Python says so with a traceback
# category: cancelled
# retryable: yes after_change no
# evidence: CANCELLED AT
# deed: cancel alice
# sbatch: -t 30 -n 1
### job
srun python3 -u -c '
import signal, time
def stop(n, f): raise KeyboardInterrupt
signal.signal(signal.SIGTERM, stop)
for e in range(900): print("epoch", e); time.sleep(1)'
