# about: curl meets a self-signed certificate
# category: tls
# retryable: after_change
# evidence: curl: \(60\) SSL certificate problem
# hosts: data.example.org
# tool: curl --version
### root
bash /srv/job/certify.sh data.example.org /tmp/c
echo '[]' > /tmp/rules; python3 /srv/job/servers.py http 443 /tmp/rules /tmp/c/data.example.org.crt /tmp/c/data.example.org.key & sleep 1
### job
curl -fsS https://data.example.org/weights.bin -o weights.bin || { rc=$?; echo "download failed" >&2; exit $rc; }
