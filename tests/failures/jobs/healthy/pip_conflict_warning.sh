# about: pip tries an index twice in vain, then installs from a local folder
# category: none
# shows: WARNING: Retrying
# hosts: 
# tool: pip --version
### job
mkdir -p pkg/src/tinytool wheels
cat > pkg/pyproject.toml <<'T'
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
T
cat > pkg/backend.py <<'PY'
import zipfile
def build_wheel(d, config_settings=None, metadata_directory=None):
    name = "tinytool-1.0-py3-none-any.whl"
    with zipfile.ZipFile(f"{d}/{name}", "w") as z:
        z.writestr("tinytool.py", "print('tool ok')\n")
        z.writestr("tinytool-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tinytool\nVersion: 1.0\n")
        z.writestr("tinytool-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        z.writestr("tinytool-1.0.dist-info/RECORD", "")
    return name
PY
python3.11 -m venv env 2>/dev/null || /opt/python/3.11/bin/python3 -m venv env
env/bin/pip install --no-cache-dir --timeout 2 --retries 1 --index-url http://127.0.0.1:9/simple --find-links wheels tinytool || echo "index unreachable, building from source"
env/bin/pip install --no-build-isolation --no-index ./pkg && env/bin/python -m tinytool
