# about: a package is not installed
# category: missing module
# retryable: after_change
# evidence: ModuleNotFoundError: No module named 'flash_attn'
# tool: python3 --version
### job
mkdir -p project/models
touch project/__init__.py project/models/__init__.py
cat > project/models/attention.py <<'PY'
try:
    import xformers
except ImportError:
    print("xformers not found, falling back")
from flash_attn import flash_attn_func
PY
cat > main.py <<'PY'
print("Python ok, loading model code")
from project.models.attention import flash_attn_func
PY
echo "Node: $HOSTNAME  GPUs: none"
python3 -u main.py
