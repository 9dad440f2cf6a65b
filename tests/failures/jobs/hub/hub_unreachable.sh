# about: the hub's name cannot be resolved on a compute node
# category: name_resolution
# or: network
# retryable: yes after_change
# evidence: Temporary failure in name resolution
# needs: venv
# tool: venv huggingface_hub
### job
source /opt/venvs/train/bin/activate
python -u -c '
from huggingface_hub import hf_hub_download
print("fetching the tokenizer")
hf_hub_download("acme/gpt2-small", "tokenizer.json")'
