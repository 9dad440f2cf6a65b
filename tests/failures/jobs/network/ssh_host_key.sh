# about: ssh: host key verification failed
# category: authentication
# or: network
# or: tls
# or: configuration
# retryable: after_change
# evidence: Host key verification failed
# hosts: login1
# needs: /usr/sbin/sshd
# tool: ssh -V
### root
mkdir -p /run/sshd /tmp/k; ssh-keygen -q -t ed25519 -N '' -f /tmp/k/host
printf 'Port 22\nListenAddress 127.0.0.1\nHostKey /tmp/k/host\nUsePAM no\n' > /tmp/k/conf
/usr/sbin/sshd -f /tmp/k/conf
### job
rsync --version >/dev/null 2>&1; scp -o BatchMode=yes out.tar login1:archive/ 2>&1; ssh -o BatchMode=yes login1 true
