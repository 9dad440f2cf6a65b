# about: a pool beyond the process limit (ulimit -u)
# category: resource_limit
# or: resource_limit processes
# retryable: after_change
# evidence: BlockingIOError: \[Errno 11\] Resource temporarily unavailable
# tool: python3 --version
### job
ulimit -u 12
cat > t.py <<'PY'
import multiprocessing as mp, time
if __name__ == "__main__":
    print("starting 64 workers", flush=True)
    ps = [mp.Process(target=time.sleep, args=(2,), daemon=True) for _ in range(64)]
    for n, p in enumerate(ps):
        p.start()
        print("worker", n, "up", flush=True)
PY
python3 t.py
