# about: pip cannot reach the index: its own advice at the end names a missing distribution
# category: name_resolution
# or: network
# retryable: yes after_change
# evidence: Failed to establish a new connection|NewConnectionError|NameResolutionError
# tool: pip --version
### job
/opt/python/3.11/bin/python3 -m venv env && env/bin/pip install --retries 2 --timeout 2 einops
