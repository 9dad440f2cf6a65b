# about: tracebacks of bad records are logged and skipped
# category: none
# shows: Traceback \(most recent call last\)
# tool: python3 --version
### job
cat > prep.py <<'PY'
import logging, json
logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)-8s %(message)s")
log = logging.getLogger()
bad = 0
for n in range(50):
    text = '{"n": %d}' % n if n % 17 else '{"n": %d' % n
    try:
        json.loads(text)
    except json.JSONDecodeError:
        bad += 1
        log.exception("record %d cannot be read, skipped", n)
log.info("done: 50 records, %d skipped", bad)
PY
python3 prep.py
