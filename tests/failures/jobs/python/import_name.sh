# about: a name that the installed version of a package no longer has
# category: missing module
# or: code_error
# or: environment
# retryable: after_change
# evidence: ImportError: cannot import name
# needs: venv
# tool: venv numpy
### job
source /opt/venvs/train/bin/activate
cat > main.py <<'PY'
import numpy
print("numpy", numpy.__version__)
from numpy import product_of_all
PY
python main.py
