# about: pandas: a line with too many fields
# category: corrupt_data
# or: code_error
# retryable: after_change
# evidence: ParserError: Error tokenizing data
# needs: venv
# tool: venv pandas
### job
source /opt/venvs/train/bin/activate
(echo text,label; seq -f 'row %g,1' 1 300; echo '"a, b",c,d,2'; seq -f 'row %g,0' 301 400) > t.csv
python -u -c 'import pandas as pd; print("features"); pd.read_csv("t.csv")'
