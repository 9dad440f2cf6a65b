# about: curl retries until the server is up
# category: none
# shows: Connection refused|404
# tool: curl --version
### job
( sleep 2; exec timeout 8 python3 -m http.server 8099 --bind 127.0.0.1 >/dev/null 2>&1 ) & 
curl --retry 8 --retry-delay 1 --retry-connrefused -fS -o /dev/null http://127.0.0.1:8099/ && echo "health check ok"
curl -sv -o /dev/null http://127.0.0.1:8099/missing.txt || true
echo "vLLM is ready, running the evaluation"
echo "accuracy: 0.713 (errors: 287 of 1000 answers were wrong)"
wait
exit 0
