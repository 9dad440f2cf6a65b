# about: too many requests, retries used up
# category: network
# or: authentication
# or: resource_limit
# or: quota
# retryable: yes after_change
# evidence: 429
# hosts: api.example.org
# needs: venv
# tool: venv httpx
### root
echo '[["/", 429, {"Retry-After": "1"}, "{\"error\": {\"message\": \"Rate limit reached for requests\"}}"]]' > /tmp/rules; python3 /srv/job/servers.py http 80 /tmp/rules & sleep 1
### job
cat > q.py <<'PY'
import time, urllib.request, urllib.error
for t in range(3):
    try:
        urllib.request.urlopen(urllib.request.Request("http://api.example.org/v1/chat/completions", data=b"{}")); break
    except urllib.error.HTTPError as e:
        print(f"retry {t}: {e.code} {e.reason}: {e.read().decode()}", flush=True); err = e
else:
    raise err
PY
source /opt/venvs/train/bin/activate; python q.py
