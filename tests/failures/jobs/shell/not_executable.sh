# about: a script without its x bit: 126
# category: permission
# retryable: after_change
# evidence: ./run_all.sh: Permission denied
# tool: bash --version
### job
printf '#!/bin/bash\necho hi\n' > run_all.sh
echo "starting run_all.sh"
./run_all.sh --all
