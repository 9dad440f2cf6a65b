# about: three chained exceptions; the root is a truncated JSON
# category: corrupt_data
# or: code_error
# retryable: after_change
# evidence: ^json.decoder.JSONDecodeError
# tool: python3 --version
### job
cat > load.py <<'PY'
import json
class DatasetError(RuntimeError): ...
class PipelineError(RuntimeError): ...
def read(path):
    with open(path) as f:
        for n, line in enumerate(f):
            try:
                yield json.loads(line)
            except json.JSONDecodeError as e:
                raise DatasetError(f"{path}: bad record {n}") from e
def pipeline():
    try:
        for n, r in enumerate(read("shard-0003.jsonl")):
            if n % 100 == 0:
                print("read", n, "records")
    except DatasetError as e:
        raise PipelineError("the input pipeline stopped") from e
pipeline()
PY
for i in $(seq 1 420); do echo "{\"id\": $i, \"text\": \"sentence number $i\"}"; done > shard-0003.jsonl
truncate -s -17 shard-0003.jsonl
python3 -u load.py
