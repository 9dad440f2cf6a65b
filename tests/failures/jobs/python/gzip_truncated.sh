# about: a gzip file that was not downloaded to its end
# category: corrupt_data
# retryable: after_change
# evidence: EOFError: Compressed file ended before
# tool: python3 --version
### job
seq 1 200000 | gzip > corpus.txt.gz
truncate -s 200000 corpus.txt.gz
python3 -u - <<'PY'
import gzip
n = 0
with gzip.open("corpus.txt.gz", "rt") as f:
    for line in f:
        n += 1
        if n % 40000 == 0:
            print("lines", n)
PY
