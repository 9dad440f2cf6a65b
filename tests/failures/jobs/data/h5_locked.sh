# about: an HDF5 file is locked by another process
# category: resource_limit
# or: permission
# or: corrupt_data
# or: unknown
# or: configuration
# retryable: yes after_change
# evidence: unable to lock file
# needs: venv
# tool: venv h5py
### job
source /opt/venvs/train/bin/activate
cat > w.py <<'PY'
import h5py, subprocess, sys
f = h5py.File("metrics.h5", "w"); f["x"] = 1
if len(sys.argv) == 1: sys.exit(subprocess.call([sys.executable, "w.py", "again"]))
PY
python -c '
import h5py, subprocess, sys
f = h5py.File("metrics.h5", "w"); f["x"] = 1; f.flush()
print("evaluator 1 writes", flush=True)
sys.exit(subprocess.call([sys.executable, "-c", "import h5py; h5py.File(\"metrics.h5\", \"a\")"]))'
