# about: a program's own word that its setting cannot be, and exit 1
# category: configuration
# retryable: after_change
# evidence: batch size 48 must be a multiple of
# tool: python3 --version
### job
python3 -u - <<'PY'
import sys
print("train.py v1.4  seed=17")
print("tokenizer: 32000 entries")
sys.exit("error: batch size 48 must be a multiple of data-parallel size 32")
PY
