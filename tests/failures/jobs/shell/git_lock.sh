# about: git: another process holds the lock
# category: resource_limit
# or: unknown
# or: permission
# or: configuration
# retryable: yes after_change
# evidence: Unable to create .*index.lock': File exists
# tool: git --version
### job
set -e; git init -q r; cd r; git config user.email a@example.org; git config user.name a; touch .git/index.lock a; echo "recording the run"; git add a
