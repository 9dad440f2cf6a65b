# about: a parquet file with a broken footer
# category: corrupt_data
# retryable: after_change
# evidence: Parquet magic bytes not found|ArrowInvalid
# needs: venv
# tool: venv pyarrow
### job
source /opt/venvs/train/bin/activate
python -u -c '
import pandas as pd
pd.DataFrame({"a": range(1000)}).to_parquet("p.parquet"); f = open("p.parquet", "r+b"); f.seek(-4, 2); f.write(b"XXXX"); f.close()
print("reading part 0"); pd.read_parquet("p.parquet")'
