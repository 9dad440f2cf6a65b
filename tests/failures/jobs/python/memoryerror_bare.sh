# about: a bare MemoryError in pure Python
# category: out_of_memory host
# retryable: after_change
# evidence: ^MemoryError
# tool: python3 --version
### job
ulimit -v 600000
cat > t.py <<'PY'
index = {}
print("building the index")
for n in range(10**9):
    index[n] = str(n) * 4
    if n % 500000 == 0:
        print(f"  {n} keys, 0 errors", flush=True)
PY
python3 t.py
