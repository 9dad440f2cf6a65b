# about: a bare assertion
# category: code_error
# retryable: after_change no
# evidence: ^AssertionError
# tool: python3 --version
### job
cat > t.py <<'PY'
import sys
def shard(n, world):
    assert n % world == 0, f"batch {n} does not divide over {world} ranks"
    return n // world
print("world size 3"); print("local batch", shard(33, 3)); sys.stdout.flush()
shard(64, 3)
PY
python3 t.py
