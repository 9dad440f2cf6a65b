# about: a metrics server finds its port taken
# category: port_in_use
# retryable: after_change
# evidence: OSError: \[Errno 98\] Address already in use
# tool: python3 --version
### job
python3 -m http.server 8265 --bind 127.0.0.1 >/dev/null 2>&1 &
server=$!
sleep 1
cat > t.py <<'PY'
import http.server
print("dashboard on http://127.0.0.1:8265")
http.server.ThreadingHTTPServer(("127.0.0.1", 8265), http.server.SimpleHTTPRequestHandler).serve_forever()
PY
python3 -u t.py
rc=$?
kill $server
exit $rc
