# about: a connection reset in the middle of an upload
# category: network
# retryable: yes
# evidence: ConnectionResetError: \[Errno 104\]|RemoteDisconnected
# hosts: api.example.org
# tool: python3 --version
### root
python3 /srv/job/servers.py reset 80 & sleep 1
### job
python3 -u -c '
import http.client
print("uploading 1 GB")
c = http.client.HTTPConnection("api.example.org"); c.request("POST", "/upload", b"x" * 100000); print(c.getresponse().status)'
