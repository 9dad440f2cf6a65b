# about: transformers with a token that is not on the model's list: the chain ends in an OSError
# category: authentication
# retryable: after_change
# evidence: GatedRepoError: 403|403 Client Error|Cannot access gated repo
# evidence: You are trying to access a gated repo
# hosts: huggingface.co
# needs: venv
# tool: venv transformers
### root
TRUSTED=yes bash /srv/job/certify.sh huggingface.co /tmp/c
echo '[["/", 403, {"X-Error-Code": "GatedRepo", "X-Error-Message": "Access to model acme/gemma-2b is restricted and you are not in the authorized list. Visit https://huggingface.co/acme/gemma-2b to ask for access."}, ""]]' > /tmp/rules
python3 /srv/job/servers.py http 443 /tmp/rules /tmp/c/huggingface.co.crt /tmp/c/huggingface.co.key & sleep 1
### job
source /opt/venvs/train/bin/activate
export SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt HF_TOKEN=hf_x
cat > run_clm.py <<'PY'
from transformers import AutoConfig
def main():
    print("loading acme/gemma-2b", flush=True)
    return AutoConfig.from_pretrained("acme/gemma-2b")
main()
PY
python run_clm.py
