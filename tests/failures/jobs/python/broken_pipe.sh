# about: a broken pipe: the reader of the output has gone
# category: unknown
# or: network
# or: code_error
# retryable: yes no after_change
# evidence: BrokenPipeError: \[Errno 32\] Broken pipe
# tool: python3 --version
### job
set -o pipefail
python3 -c '
import sys
for n in range(100000): print("record", n)' | head -3
