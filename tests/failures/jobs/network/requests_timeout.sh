# about: urllib's socket timeout after several good answers
# category: network
# retryable: yes
# evidence: TimeoutError: timed out|URLError: <urlopen error timed out>
# hosts: api.example.org
# tool: python3 --version
### root
python3 /srv/job/servers.py silent 80 & sleep 1
### job
python3 -u -c '
import urllib.request
print("query 1 ok"); print("query 2 ok")
urllib.request.urlopen("http://api.example.org/v1/judge", timeout=2)'
