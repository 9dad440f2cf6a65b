# about: pip: an extension module cannot be compiled
# category: missing file
# or: code_error
# or: missing
# retryable: after_change
# evidence: fatal error: missing_blas.h: No such file
# needs: venv
# tool: venv setuptools
### job
source /opt/venvs/train/bin/activate
mkdir p; printf 'from setuptools import setup, Extension\nsetup(name="fastnorm", version="0.1", ext_modules=[Extension("fastnorm", ["f.c"])])\n' > p/setup.py
printf '#include "missing_blas.h"\n' > p/f.c
pip install --no-build-isolation --no-deps --target out ./p
