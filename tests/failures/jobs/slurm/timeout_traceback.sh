# about: at the time limit a Python program turns SIGTERM into an exception, and prints a traceback
# category: time_limit
# retryable: after_change
# evidence: CANCELLED AT .* DUE TO TIME LIMIT
# deed: timeout
# sbatch: -t 1 -n 1
### job
srun python3 -u -c '
import signal, time
class Terminated(Exception): ...
def stop(n, f): raise Terminated(f"signal {n}")
signal.signal(signal.SIGTERM, stop)
for e in range(900): print("epoch", e, "loss", 1 / (e + 1)); time.sleep(1)'
