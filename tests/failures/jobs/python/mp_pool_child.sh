# about: a worker of a multiprocessing pool raises; RemoteTraceback in front, the parent's after it
# category: code_error
# retryable: after_change no
# evidence: ^ValueError: document 37 has no title
# tool: python3 --version
### job
cat > prep.py <<'PY'
import multiprocessing as mp
def work(i):
    if i == 37:
        raise ValueError(f"document {i} has no title")
    return i
if __name__ == "__main__":
    with mp.Pool(3) as pool:
        for n, _ in enumerate(pool.imap(work, range(100))):
            if n % 10 == 0:
                print("processed", n, flush=True)
PY
python3 prep.py
