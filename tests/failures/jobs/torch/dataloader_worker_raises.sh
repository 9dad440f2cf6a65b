# about: a DataLoader worker raises: the original traceback stands inside the parent's message
# category: corrupt_data
# retryable: after_change
# evidence: UnidentifiedImageError|OSError: image file is truncated
# needs: venv
# tool: venv torch
### job
source /opt/venvs/train/bin/activate
cat > t.py <<'PY'
import torch
from torch.utils.data import DataLoader, Dataset
class Images(Dataset):
    def __len__(self): return 100
    def __getitem__(self, i):
        if i == 61: raise OSError("image file is truncated (14 bytes not processed)")
        return torch.zeros(3)
if __name__ == "__main__":
    for n, b in enumerate(DataLoader(Images(), batch_size=4, num_workers=2)):
        print("batch", n, flush=True)
PY
python t.py
