# about: from_pretrained of a local folder without weights
# category: missing file
# retryable: after_change
# evidence: OSError: .*no file named|Error no file named
# needs: venv
# tool: venv transformers
### job
source /opt/venvs/train/bin/activate
mkdir ckpt; echo '{"model_type": "gpt2", "n_layer": 1, "n_embd": 8, "n_head": 1, "architectures": ["GPT2LMHeadModel"]}' > ckpt/config.json
python -u -c '
from transformers import AutoModelForCausalLM
print("resume from ckpt")
AutoModelForCausalLM.from_pretrained("ckpt")'
