# about: set -u and a variable that nobody set
# category: configuration
# or: code_error
# or: environment
# retryable: after_change
# evidence: DATA_ROOT: unbound variable
# tool: bash --version
### job
set -euo pipefail
echo "stage 1: sync"
for split in train val; do ls "$DATA_ROOT/$split"; done
