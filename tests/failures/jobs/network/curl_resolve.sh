# about: curl cannot resolve a name
# category: name_resolution
# retryable: yes after_change
# evidence: curl: \(6\) Could not resolve host: data.example.org
# tool: curl --version
### root
python3 /srv/job/servers.py dns & sleep 1
### job
set -e
for i in 1 2; do echo "have part $i"; done
curl -fSL -O https://data.example.org/archive/part-003.tar
