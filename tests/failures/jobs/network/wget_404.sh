# about: wget: 404
# category: missing file
# or: network
# or: configuration
# retryable: after_change no
# evidence: ERROR 404: Not Found
# hosts: data.example.org
# tool: wget --version
### root
echo '[]' > /tmp/rules; python3 /srv/job/servers.py http 80 /tmp/rules & sleep 1
### job
wget http://data.example.org/v1/imagenet-mini.tar && echo unpacked
