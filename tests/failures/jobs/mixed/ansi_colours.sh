# about: colours, bars with carriage returns, and a red error in the middle of a line
# category: missing file
# retryable: after_change
# evidence: FileNotFoundError: .*tokenizer.model
# tool: python3 --version
### job
cat > t.py <<'PY'
import sys, time
def log(level, colour, text): sys.stderr.write(f"\x1b[2m12:00:01\x1b[0m \x1b[{colour}m{level:8}\x1b[0m {text}\n")
log("INFO", 32, "loading \x1b[1mconfig.toml\x1b[0m")
for n in range(0, 101, 4): sys.stderr.write(f"\r\x1b[KPreparing: {n:3}%|{'#' * (n // 5):20}| {n}/100")
sys.stderr.write("\n")
try:
    open("tokenizer.model")
except FileNotFoundError as e:
    log("CRITICAL", "31;1", f"\x1b[31mFileNotFoundError: {e}\x1b[0m"); sys.exit(2)
PY
python3 t.py
