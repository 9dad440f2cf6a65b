# about: a safetensors shard cut short
# category: corrupt_data
# retryable: after_change
# evidence: SafetensorError
# needs: venv
# tool: venv safetensors
### job
source /opt/venvs/train/bin/activate
python -u -c '
import torch, safetensors.torch as st
st.save_file({"w": torch.zeros(100, 100)}, "model-00002-of-00004.safetensors")
open("model-00002-of-00004.safetensors", "r+b").truncate(20000)
print("Loading checkpoint shards:  25%|##5       | 1/4", flush=True)
st.load_file("model-00002-of-00004.safetensors")'
