# about: a proxy refuses the tunnel
# category: network
# or: authentication
# or: permission
# retryable: after_change
# evidence: requested URL returned error: 403|CONNECT tunnel failed, response 403|response 403 from proxy|HTTP code 403 from proxy
# tool: curl --version
### root
cat > /tmp/proxy.py <<'PY'
import http.server
class H(http.server.BaseHTTPRequestHandler):
    def do_CONNECT(self): self.send_error(403, "Forbidden by policy")
    def log_message(self, *a): ...
http.server.HTTPServer(("127.0.0.1", 3128), H).serve_forever()
PY
python3 /tmp/proxy.py & sleep 1
### job
export https_proxy=http://127.0.0.1:3128
curl -fsSLO https://data.example.org/model.safetensors
