# about: a checksum that does not match
# category: corrupt_data
# retryable: yes after_change
# evidence: weights.bin: FAILED
# tool: sha256sum --version
### job
set -e
head -c 5000 /dev/zero > weights.bin; echo "0000000000000000000000000000000000000000000000000000000000000000  weights.bin" > SHA256SUMS
sha256sum -c SHA256SUMS
