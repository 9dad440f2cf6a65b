# about: Python: certificate verify failed
# category: tls
# retryable: after_change
# evidence: CERTIFICATE_VERIFY_FAILED
# hosts: api.example.org
# tool: python3 --version
### root
bash /srv/job/certify.sh api.example.org /tmp/c
echo '[]' > /tmp/rules; python3 /srv/job/servers.py http 443 /tmp/rules /tmp/c/api.example.org.crt /tmp/c/api.example.org.key & sleep 1
### job
python3 -u -c '
import urllib.request
print("sending 12 prompts")
urllib.request.urlopen("https://api.example.org/v1/judge")'
