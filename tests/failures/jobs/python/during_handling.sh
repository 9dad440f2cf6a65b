# about: the error handler itself fails (missing log folder); the root is a division by zero
# category: code_error
# retryable: after_change no
# evidence: ^ZeroDivisionError
# tool: python3 --version
### job
cat > job.py <<'PY'
def normalise(xs):
    total = sum(xs)
    return [x / total for x in xs]
def report(e):
    with open("/home/alice/project/reports/errors.txt", "a") as f:
        f.write(str(e))
try:
    print("batch 1:", normalise([1, 2, 3]))
    print("batch 2:", normalise([0, 0, 0]))
except ArithmeticError as e:
    report(e)
PY
python3 -u job.py
