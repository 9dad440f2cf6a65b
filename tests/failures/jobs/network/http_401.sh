# about: an API key is refused
# category: authentication
# retryable: after_change
# evidence: 401
# hosts: api.example.org
# tool: curl --version
### root
echo '[["/", 401, {}, "{\"error\": {\"message\": \"Incorrect API key provided\", \"code\": \"invalid_api_key\"}}\n"]]' > /tmp/rules; python3 /srv/job/servers.py http 80 /tmp/rules & sleep 1
### job
set -e
echo "judge model: gpt-x"
curl -sS --fail-with-body http://api.example.org/v1/models -H "Authorization: Bearer $API_KEY"
