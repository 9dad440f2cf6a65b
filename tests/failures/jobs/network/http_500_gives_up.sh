# about: a server's 500 until the retries are used up
# category: network
# retryable: yes
# evidence: HTTP Error 500: Internal Server Error
# hosts: api.example.org
# tool: python3 --version
### root
echo '[["/", 500, {}, "{\"error\": \"internal\"}"]]' > /tmp/rules; python3 /srv/job/servers.py http 80 /tmp/rules & sleep 1
### job
cat > q.py <<'PY'
import time, urllib.request
def ask(n):
    for t in range(4):
        try: return urllib.request.urlopen(f"http://api.example.org/v1/{n}").read()
        except Exception as e:
            print(f"WARN request {n} try {t + 1}/4: {e}", flush=True)
            if t == 3: raise
ask(1)
PY
python3 q.py
