# about: torch.compile finds no C++ compiler
# category: missing file
# or: environment
# or: missing
# retryable: after_change
# evidence: InvalidCxxCompiler|No working C\+\+ compiler found
# needs: venv
# tool: venv torch
### root
for p in g++ gcc c++ cc clang clang++ g++-12 gcc-12 x86_64-linux-gnu-g++ x86_64-linux-gnu-gcc; do rm -f /usr/bin/$p; done
### job
source /opt/venvs/train/bin/activate
cat > t.py <<'PY'
import torch
f = torch.compile(lambda x: x.sin() + x.cos())
print("compiling the model")
f(torch.ones(8))
PY
python -u t.py
