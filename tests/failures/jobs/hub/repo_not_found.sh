# about: a model name with a typing error
# category: missing file
# or: authentication
# or: configuration
# or: missing
# retryable: after_change
# evidence: RepositoryNotFoundError|Repository Not Found
# hosts: huggingface.co
# needs: venv
# tool: venv huggingface_hub
### root
TRUSTED=yes bash /srv/job/certify.sh huggingface.co /tmp/c
echo '[["/", 404, {"X-Error-Code": "RepoNotFound", "X-Error-Message": "Repository not found"}, ""]]' > /tmp/rules
python3 /srv/job/servers.py http 443 /tmp/rules /tmp/c/huggingface.co.crt /tmp/c/huggingface.co.key & sleep 1
### job
source /opt/venvs/train/bin/activate
export SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt HF_TOKEN=hf_x
python -u -c '
from huggingface_hub import snapshot_download
print("snapshot of acme/lama-7b")
snapshot_download("acme/lama-7b")'
