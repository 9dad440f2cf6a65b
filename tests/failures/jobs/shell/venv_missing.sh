# about: the virtual environment is not where it was
# category: environment
# or: missing file
# retryable: after_change
# evidence: venvs/llm/bin/activate: No such file or directory
# tool: bash --version
### job
set -e
date
source ~/venvs/llm/bin/activate
