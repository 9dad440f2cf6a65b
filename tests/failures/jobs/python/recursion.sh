# about: endless recursion; a long traceback with repeats folded
# category: code_error
# retryable: after_change no
# evidence: RecursionError: maximum recursion depth exceeded
# tool: python3 --version
### job
cat > t.py <<'PY'
def flatten(x):
    return [y for e in x for y in flatten(e)]
import sys; sys.setrecursionlimit(400)
print("flattening 2 lists")
flatten(["abc"])
PY
python3 t.py
