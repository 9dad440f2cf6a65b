# about: a dataset path that does not exist
# category: missing file
# retryable: after_change
# evidence: FileNotFoundError: .*/datasets/c4/train-00000-of-01024.jsonl
# tool: python3 --version
### job
cat > main.py <<'PY'
import glob, os
print("found", len(glob.glob("/datasets/c4/*")), "shards")
class Shards:
    def __init__(self, root, n):
        self.paths = [os.path.join(root, f"train-{i:05d}-of-{n:05d}.jsonl") for i in range(n)]
    def __iter__(self):
        for p in self.paths:
            with open(p) as f:
                yield from f
print("building the tokenizer cache ... done")
for line in Shards("/datasets/c4", 1024):
    pass
PY
python3 -u main.py
