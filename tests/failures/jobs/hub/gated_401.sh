# about: huggingface_hub without a token meets a gated model
# category: authentication
# retryable: after_change
# evidence: GatedRepoError: 401|401 Client Error
# hosts: huggingface.co
# needs: venv
# tool: venv huggingface_hub
### root
TRUSTED=yes bash /srv/job/certify.sh huggingface.co /tmp/c
echo '[["/", 401, {"X-Error-Code": "GatedRepo", "X-Error-Message": "Access to model acme/llama-70b is restricted. You must have access to it and be authenticated to access it. Please log in.", "X-Request-Id": "Root=1-69"}, ""]]' > /tmp/rules
python3 /srv/job/servers.py http 443 /tmp/rules /tmp/c/huggingface.co.crt /tmp/c/huggingface.co.key & sleep 1
### job
source /opt/venvs/train/bin/activate
export SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt
cat > get.py <<'PY'
from huggingface_hub import hf_hub_download
print("downloading acme/llama-70b", flush=True)
hf_hub_download("acme/llama-70b", "config.json")
PY
python get.py
