# about: a pipeline whose first program fails
# category: corrupt_data
# retryable: after_change
# evidence: gzip: reads.fq.gz: (invalid compressed data|unexpected end of file|not in gzip format)
# tool: bash --version
### job
set -eo pipefail
seq 1 50000 | gzip > reads.fq.gz; truncate -s 60000 reads.fq.gz
zcat reads.fq.gz | wc -l
echo "never"
