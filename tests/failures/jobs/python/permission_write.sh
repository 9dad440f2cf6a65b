# about: an output folder of somebody else
# category: permission
# retryable: after_change
# evidence: PermissionError: \[Errno 13\]
# tool: python3 --version
### root
mkdir -p /shared/models/bob; chmod 755 /shared/models/bob
### job
cat > main.py <<'PY'
import os
for e in range(3):
    print(f"[epoch {e}] val_loss={2.1/(e+1):.3f} - saving nothing, not the best")
print("[epoch 3] val_loss=0.411 - best so far, saving")
os.makedirs("/shared/models/bob/run-17/checkpoints", exist_ok=True)
PY
python3 -u main.py
echo "exit code $?" >&2
exit 1
