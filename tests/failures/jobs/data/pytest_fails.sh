# about: two tests of many fail
# category: code_error
# retryable: after_change no
# evidence: ^E +assert .*== 4
# evidence: ^FAILED test_sum.py::test_four
# needs: venv
# tool: venv pytest
### job
source /opt/venvs/train/bin/activate
cat > test_sum.py <<'PY'
import pytest
@pytest.mark.parametrize("n", range(20))
def test_ok(n): assert n == n
def test_four(): assert 2 + 3 == 4
PY
python -m pytest -p no:cacheprovider test_sum.py
