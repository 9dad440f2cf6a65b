# about: a syntax error
# category: code_error
# retryable: after_change no
# evidence: SyntaxError: 
# tool: python3 --version
### job
cat > t.py <<'PY'
import sys
def main(:
    print("hello")
main()
PY
echo "Starting at $(date +%T)"
python3 t.py
