# about: pandas: a column that is not there
# category: code_error
# or: corrupt_data
# or: configuration
# retryable: after_change no
# evidence: ^KeyError: 'label'
# needs: venv
# tool: venv pandas
### job
source /opt/venvs/train/bin/activate
printf 'text,target\na,1\n' > t.csv
cat > prep.py <<'PY'
import pandas as pd
def labels(path):
    df = pd.read_csv(path); print(df.shape)
    return df["label"]
labels("t.csv")
PY
python -u prep.py
