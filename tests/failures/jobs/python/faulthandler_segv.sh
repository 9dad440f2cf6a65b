# about: a segmentation fault in a C library called by ctypes, with faulthandler's word
# category: native_crash
# retryable: no after_change
# evidence: Fatal Python error: Segmentation fault
# tool: python3 --version
### job
cat > t.py <<'PY'
import ctypes, faulthandler
faulthandler.enable()
def lookup(table):
    return ctypes.string_at(8)
print("kernel loaded", flush=True)
lookup({})
PY
python3 t.py
