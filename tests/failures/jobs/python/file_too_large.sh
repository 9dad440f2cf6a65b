# about: the file size limit of the shell (ulimit -f)
# category: resource_limit
# or: disk_full
# or: quota
# retryable: after_change
# evidence: OSError: \[Errno 27\] File too large
# tool: python3 --version
### job
ulimit -f 1000
python3 -u - <<'PY'
with open("events.out", "wb") as f:
    for n in range(40):
        f.write(b"x" * 65536); f.flush()
        print("wrote chunk", n)
PY
