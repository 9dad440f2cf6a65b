# about: three unlabelled ranks write into one log at once; one fails on its data, the others on its silence
# category: corrupt_data
# or: code_error
# retryable: after_change
# evidence: struct.error: unpack requires a buffer of 16 bytes
# tool: python3 --version
### job
cat > rank.py <<'PY'
import socket, struct, sys, time
r = int(sys.argv[1]); port = 6100
if r == 0:
    s = socket.create_server(("127.0.0.1", port)); peers = [s.accept()[0] for _ in range(2)]
    for step in range(5):
        print("step", step, flush=True)
        for p in peers:
            if not p.recv(16): raise ConnectionError("peer closed the connection during all-reduce")
        for p in peers: p.sendall(b"y" * 16)
else:
    for _ in range(50):
        try: c = socket.create_connection(("127.0.0.1", port)); break
        except OSError: time.sleep(0.1)
    for step in range(5):
        if r == 2 and step == 3: struct.unpack("4i", b"short")
        c.sendall(b"x" * 16)
        if not c.recv(16): raise ConnectionError("rank 0 closed the connection during all-reduce")
PY
for r in 0 1 2; do python3 rank.py $r & done
wait -n; wait -n; wait
exit 1
