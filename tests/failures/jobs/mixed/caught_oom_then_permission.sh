# about: out of memory is caught and halved, and the run fails when it writes its model
# category: permission
# retryable: after_change
# evidence: PermissionError: \[Errno 13\] Permission denied: '/models/final.pt'
# tool: python3 --version
### root
mkdir /models
### job
cat > t.py <<'PY'
print("INFO batch size 512")
try:
    raise MemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")
except MemoryError as e:
    print("WARNING", e, "- halving the batch size to 256")
for s in range(0, 200, 20): print(f"step {s} loss {4 / (s + 1):.3f}")
print("saving to /models/final.pt")
open("/models/final.pt", "wb")
PY
python3 -u t.py
