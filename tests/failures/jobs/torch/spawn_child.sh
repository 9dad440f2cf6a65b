# about: mp.spawn: process 1 terminates with an exception
# category: code_error
# retryable: after_change no
# evidence: KeyError: 'labels'
# needs: venv
# tool: venv torch
### job
source /opt/venvs/train/bin/activate
cat > t.py <<'PY'
import torch.multiprocessing as mp, time
def train(rank):
    batch = {"input_ids": [1]} if rank == 1 else {"input_ids": [1], "labels": [1]}
    time.sleep(1 + rank); print("rank", rank, batch["labels"], flush=True)
if __name__ == "__main__":
    mp.spawn(train, nprocs=3)
PY
python t.py
