# about: a download that ends in the middle
# category: network
# retryable: yes
# evidence: curl: \(18\)
# hosts: data.example.org
# tool: curl --version
### root
python3 /srv/job/servers.py cut 80 & sleep 1
### job
curl -f -o x.tar http://data.example.org/x.tar && tar xf x.tar
