# about: psql is refused
# category: network
# retryable: yes after_change
# evidence: Connection refused
# needs: psql
# tool: psql --version
### job
echo "writing metrics"; psql -h 127.0.0.1 -p 5433 -c 'insert into runs values (1)' metrics
