# about: pip finds no such version
# category: missing module
# or: configuration
# retryable: after_change
# evidence: No matching distribution found for|Could not find a version
# tool: pip --version
### job
mkdir wheels; /opt/python/3.11/bin/python3 -m venv env; env/bin/pip install --no-index --find-links wheels 'torch==9.9.9' && echo installed
