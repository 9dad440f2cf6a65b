# about: a registry that says unauthorized
# category: container
# or: authentication
# retryable: after_change
# evidence: unauthorized|authentication required|denied
# needs: podman
# hosts: registry.example.org
# user: root
# tool: podman --version
### root
echo '[["/", 401, {"WWW-Authenticate": "Basic realm=\"r\"", "Docker-Distribution-Api-Version": "registry/2.0", "Content-Type": "application/json"}, "{\"errors\": [{\"code\": \"UNAUTHORIZED\", \"message\": \"authentication required\"}]}"]]' > /tmp/rules; python3 /srv/job/servers.py http 5000 /tmp/rules & sleep 1
### job
podman --storage-driver=vfs --root /tmp/p --runroot /tmp/pr pull --tls-verify=false registry.example.org:5000/team/private:1
