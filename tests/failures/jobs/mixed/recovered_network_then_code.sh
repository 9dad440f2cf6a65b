# about: two downloads are retried and succeed, an hour later the user's own code fails
# category: code_error
# retryable: after_change no
# evidence: ^ZeroDivisionError
# evidence: report.py", line \d+, in mean
# tool: python3 --version
### job
cat > report.py <<'PY'
import logging
logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
log = logging.getLogger()
def fetch(n):
    for t in range(3):
        try:
            if t < 2: raise ConnectionResetError(104, "Connection reset by peer")
            return [n]
        except ConnectionResetError:
            log.exception("shard %d: try %d/3 failed", n, t + 1)
def mean(xs): return sum(xs) / len(xs)
rows = [fetch(0), fetch(1)]
log.info("all shards are here")
for e in range(30): log.info("epoch %d error=%.3f", e, 1 / (e + 1))
print(mean([]))
PY
python3 report.py
