# about: a process of a pool ends abruptly
# category: out_of_memory host
# or: native_crash
# or: unknown
# or: out_of_memory
# retryable: after_change no yes
# evidence: BrokenProcessPool: A process in the process pool was terminated abruptly
# tool: python3 --version
### job
cat > p.py <<'PY'
import concurrent.futures as cf, os, signal
def work(n):
    if n == 9: os.kill(os.getpid(), signal.SIGKILL)
    return n
if __name__ == "__main__":
    with cf.ProcessPoolExecutor(2) as ex:
        for r in ex.map(work, range(30)): print("chunk", r, flush=True)
PY
python3 p.py
