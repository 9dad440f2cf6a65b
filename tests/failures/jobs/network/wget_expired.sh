# about: wget meets an expired certificate
# category: tls
# retryable: after_change
# evidence: has expired|Issued certificate has expired|cannot verify data.example.org's certificate
# hosts: data.example.org
# tool: wget --version
### root
TRUSTED=yes bash /srv/job/certify.sh data.example.org /tmp/c -1
echo '[]' > /tmp/rules; python3 /srv/job/servers.py http 443 /tmp/rules /tmp/c/data.example.org.crt /tmp/c/data.example.org.key & sleep 1
### job
wget https://data.example.org/v1/x.tar; exit $?
