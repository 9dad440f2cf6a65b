# about: /dev/shm is too small for the DataLoader's batches
# category: out_of_memory host
# or: disk_full
# or: resource_limit
# or: native_crash
# retryable: after_change
# evidence: [Bb]us error|unable to (write|resize|allocate) .*(shm|file)|No space left
# needs: venv
# tool: venv torch
### root
mount -t tmpfs -o size=2m,mode=1777 tmpfs /dev/shm
### job
source /opt/venvs/train/bin/activate
cat > t.py <<'PY'
import torch
from torch.utils.data import DataLoader, Dataset
class Images(Dataset):
    def __len__(self): return 64
    def __getitem__(self, i): return torch.ones(3, 512, 512)
if __name__ == "__main__":
    print("dataset of 64 images, 2 workers", flush=True)
    for n, b in enumerate(DataLoader(Images(), batch_size=8, num_workers=2)):
        print("batch", n, b.sum().item(), flush=True)
PY
python t.py
