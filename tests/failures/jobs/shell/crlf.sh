# about: a script with DOS line ends
# category: configuration
# or: code_error
# or: missing file
# or: environment
# retryable: after_change
# evidence: \\r|\$'.*\\r'|\^M|syntax error|cannot execute|bad interpreter
# tool: bash --version
### job
printf '#!/bin/bash\r\ncd data\r\nset -e\r\nfor i in 1 2; do\r\n echo $i\r\ndone\r\n' > step.sh; chmod +x step.sh
bash step.sh
