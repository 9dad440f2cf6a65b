# about: a launcher reports that its child failed; the child's own error stands before it
# category: code_error
# retryable: after_change no
# evidence: ^AttributeError: 'NoneType' object has no attribute 'shape'
# tool: python3 --version
### job
cat > train.py <<'PY'
batch = {"x": None}
print("launching epoch 0")
print(batch["x"].shape)
PY
cat > launch.py <<'PY'
import subprocess, sys
cmd = [sys.executable, "-u", "train.py"]
print("launch:", *cmd, flush=True)
subprocess.run(cmd, check=True)
PY
python3 launch.py
