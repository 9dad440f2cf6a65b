# about: /usr/bin/env does not find the interpreter that a script names
# category: environment
# or: missing file
# or: missing
# retryable: after_change
# evidence: env: .*python2.7.: No such file or directory
# tool: bash --version
### job
printf '#!/usr/bin/env python2.7\nprint "hello"\n' > old.py; chmod +x old.py
echo "preprocessing"; ./old.py --in a --out b
status=$?
[ $status -eq 0 ] || echo "preprocessing failed with $status"
exit $status
