# about: a worker pool in which a failing task is collected and done again
# category: none
# shows: Traceback
# tool: python3 --version
### job
cat > p.py <<'PY'
import concurrent.futures as cf, os, traceback
def work(n, t):
    if n == 7 and t == 0: raise OSError(5, "Input/output error")
    return n * n
if __name__ == "__main__":
    with cf.ProcessPoolExecutor(2) as ex:
        for n in range(12):
            for t in range(3):
                try: print(n, ex.submit(work, n, t).result(), flush=True); break
                except OSError: print(f"task {n} failed, submitted again:\n{traceback.format_exc()}", flush=True)
PY
python3 p.py
