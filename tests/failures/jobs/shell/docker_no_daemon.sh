# about: docker on a node without its daemon
# category: container
# retryable: after_change yes
# evidence: Cannot connect to the Docker daemon
# needs: docker
# tool: docker --version
### job
set -e
echo "pulling the evaluation image"
docker run --rm ghcr.io/example/harness:1.2 --tasks mmlu
