# about: a DataLoader worker is killed by SIGKILL
# category: out_of_memory host
# or: native_crash
# or: unknown
# retryable: after_change
# evidence: DataLoader worker \(pid.*\) is killed by signal: Killed|exited unexpectedly
# needs: venv
# tool: venv torch
### job
source /opt/venvs/train/bin/activate
cat > t.py <<'PY'
import os, signal, time, torch
from torch.utils.data import DataLoader, Dataset
class Images(Dataset):
    def __len__(self): return 400
    def __getitem__(self, i):
        if i == 133: os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(0.002)
        return torch.zeros(3, 8, 8)
if __name__ == "__main__":
    for n, b in enumerate(DataLoader(Images(), batch_size=8, num_workers=2)):
        if n % 4 == 0: print(f"Epoch: [0][{n:3}/50]  Time 0.0{n % 9}  Loss {3.1 - n / 50:.4f}", flush=True)
PY
python t.py
