# about: bash itself may not fork
# category: resource_limit
# retryable: after_change
# evidence: fork: retry: Resource temporarily unavailable|Cannot fork|fork: Resource temporarily unavailable
# limit: 180
# tool: bash --version
### job
ulimit -u 8
for i in $(seq 1 12); do sleep 40 & done
echo "started all"
wait
