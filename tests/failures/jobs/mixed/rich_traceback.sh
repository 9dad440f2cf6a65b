# about: a traceback drawn with boxes (rich)
# category: code_error
# retryable: after_change no
# evidence: ^ValueError: too many values to unpack|ValueError: too many values
# needs: venv
# tool: venv rich
### job
source /opt/venvs/train/bin/activate
cat > t.py <<'PY'
from rich.traceback import install
install(show_locals=True)
def split(pair):
    a, b = pair
    return a
print("tokenizing")
split((1, 2, 3))
PY
python -u t.py
