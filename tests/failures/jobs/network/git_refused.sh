# about: git clone from a refused host
# category: network
# retryable: yes
# evidence: fatal: unable to access
# hosts: github.com
# tool: git --version
### job
set -e; git clone --depth 1 https://github.com/example/recipes.git
