# about: curl is refused
# category: network
# retryable: yes after_change
# evidence: curl: \(7\) Failed to connect
# tool: curl --version
### job
set -e
echo "fetching the tokenizer"
curl -fsSL -o tok.json http://127.0.0.1:8111/tokenizer.json
echo ok
