# about: HF_HUB_OFFLINE on a node, and the model is not in the cache
# category: missing file
# or: network
# or: configuration
# retryable: after_change
# evidence: LocalEntryNotFoundError|Cannot find .* requested files|couldn't connect to|OfflineModeIsEnabled
# needs: venv
# tool: venv transformers
### job
source /opt/venvs/train/bin/activate
export HF_HUB_OFFLINE=1
python -u -c '
from transformers import AutoTokenizer
print("offline mode")
AutoTokenizer.from_pretrained("acme/gpt2-small")'
