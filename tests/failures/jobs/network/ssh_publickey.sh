# about: ssh: permission denied (publickey) when pulling code
# category: authentication
# retryable: after_change
# evidence: Permission denied \(publickey
# hosts: git.example.org
# needs: /usr/sbin/sshd
# tool: ssh -V
### root
mkdir -p /run/sshd /tmp/k; ssh-keygen -q -t ed25519 -N '' -f /tmp/k/host
printf 'Port 22\nListenAddress 127.0.0.1\nHostKey /tmp/k/host\nPasswordAuthentication no\nKbdInteractiveAuthentication no\nUsePAM no\n' > /tmp/k/conf
/usr/sbin/sshd -f /tmp/k/conf
### job
export GIT_SSH_COMMAND="ssh -o StrictHostKeyChecking=accept-new -o BatchMode=yes"
git clone git@git.example.org:team/private-model.git; exit $?
