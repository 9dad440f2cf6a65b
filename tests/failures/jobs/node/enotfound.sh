# about: a host name that does not exist
# category: name_resolution
# retryable: yes after_change
# evidence: getaddrinfo (ENOTFOUND|EAI_AGAIN) api.example.org
# needs: node
# tool: node --version
### job
node -e 'console.log("posting results"); fetch("https://api.example.org/results").then(r => console.log(r.status))'
