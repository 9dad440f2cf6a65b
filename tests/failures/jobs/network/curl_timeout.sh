# about: a server that accepts and says nothing
# category: network
# retryable: yes
# evidence: curl: \(28\) Operation timed out
# hosts: data.example.org
# tool: curl --version
### root
python3 /srv/job/servers.py silent 80 & sleep 1
### job
echo "staging data"; curl -fsS --max-time 3 -o x http://data.example.org/x
