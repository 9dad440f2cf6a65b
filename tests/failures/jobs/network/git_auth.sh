# about: git wants a user name, with no terminal
# category: authentication
# retryable: after_change
# evidence: could not read Username|Authentication failed
# hosts: git.example.org
# tool: git --version
### root
echo '[["/", 401, {"WWW-Authenticate": "Basic realm=\"git\""}, ""]]' > /tmp/rules; python3 /srv/job/servers.py http 80 /tmp/rules & sleep 1
### job
export GIT_TERMINAL_PROMPT=0
git clone http://git.example.org/team/private-model.git || exit 128
