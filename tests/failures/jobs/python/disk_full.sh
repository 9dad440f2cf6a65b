# about: a checkpoint is written to a full disk
# category: disk_full
# retryable: after_change
# evidence: OSError: \[Errno 28\] No space left on device
# tool: python3 --version
### root
mkdir /scratch && mount -t tmpfs -o size=3m,mode=1777 tmpfs /scratch
### job
cat > t.py <<'PY'
for step in range(0, 1000, 100):
    print(f"step {step}: loss {5 / (1 + step):.4f}", flush=True)
    with open(f"/scratch/ckpt-{step}.bin", "wb") as f:
        f.write(b"w" * 700_000)
    print(f"saved /scratch/ckpt-{step}.bin", flush=True)
PY
python3 t.py
rc=$?
df -h /scratch
exit $rc
