# about: a download fails twice (reset, 503) and succeeds at the third try
# category: none
# shows: download complete
# tool: python3 --version
### job
cat > server.py <<'PY'
import http.server, socket, struct
class H(http.server.BaseHTTPRequestHandler):
    n = 0
    def do_GET(self):
        H.n += 1
        if H.n == 1:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close(); return
        self.send_response(503 if H.n == 2 else 200); self.send_header("Content-Length", "4"); self.end_headers(); self.wfile.write(b"data")
    def log_message(self, *a): ...
http.server.HTTPServer(("127.0.0.1", 8080), H).serve_forever()
PY
python3 server.py 2>/dev/null & s=$!; sleep 1
cat > get.py <<'PY'
import logging, time, urllib.request
logging.basicConfig(level=logging.INFO, format="%(levelname)s:%(name)s:%(message)s")
log = logging.getLogger("fetch")
for attempt in range(1, 6):
    try:
        data = urllib.request.urlopen("http://127.0.0.1:8080/weights.bin", timeout=5).read()
        break
    except Exception as e:
        log.error("attempt %d/5 failed: %s: %s", attempt, type(e).__name__, e)
        time.sleep(0.1)
log.info("download complete, %d bytes after %d attempts", len(data), attempt)
PY
python3 get.py; rc=$?; kill $s; exit $rc
