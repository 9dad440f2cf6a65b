# about: an image tag that does not exist
# category: container
# retryable: after_change
# evidence: manifest unknown
# needs: podman
# hosts: registry.example.org
# user: root
# tool: podman --version
### root
echo '[["/v2/team", 404, {"Docker-Distribution-Api-Version": "registry/2.0", "Content-Type": "application/json"}, "{\"errors\": [{\"code\": \"MANIFEST_UNKNOWN\", \"message\": \"manifest unknown\"}]}"], ["/", 200, {"Docker-Distribution-Api-Version": "registry/2.0"}, "{}"]]' > /tmp/rules; python3 /srv/job/servers.py http 5000 /tmp/rules & sleep 1
### job
echo "image: registry.example.org:5000/team/eval:v9"
podman --storage-driver=vfs --root /tmp/p --runroot /tmp/pr pull --tls-verify=false registry.example.org:5000/team/eval:v9
