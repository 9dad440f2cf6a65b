# about: unittest prints a whole traceback to stderr from a test that passes
# category: none
# shows: ^OK
# split: yes
# tool: python3 --version
### job
cat > test_retry.py <<'PY'
import traceback, unittest
class T(unittest.TestCase):
    def test_gives_up(self):
        try:
            raise TimeoutError("server did not answer")
        except TimeoutError:
            traceback.print_exc()
    def test_error_message(self):
        print("ERROR: job failed with exit code 1")
unittest.main(verbosity=2)
PY
echo "running the unit tests"
python3 test_retry.py
