# about: progress bars with carriage returns, with failures counted in them
# category: none
# shows: failed=
# needs: venv
# tool: venv tqdm
### job
source /opt/venvs/train/bin/activate
python - <<'PY'
import time
from tqdm import tqdm
bar = tqdm(range(60), desc="crawling", mininterval=0)
for n in bar:
    bar.set_postfix(ok=n - n // 13, failed=n // 13, last="timeout" if n % 13 == 0 else "-")
    if n % 20 == 7: tqdm.write(f"ERROR url {n}: HTTP Error 404: Not Found (skipped)")
    time.sleep(0.005)
print("crawl complete")
PY
