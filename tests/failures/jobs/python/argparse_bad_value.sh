# about: a value of the wrong type for an argparse option
# category: configuration
# retryable: after_change
# evidence: invalid int value
# tool: python3 --version
### job
cat > eval.py <<'PY'
import argparse, logging
logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
log = logging.getLogger("eval")
log.info("starting the evaluation, error budget 0.05")
p = argparse.ArgumentParser()
p.add_argument("--shots", type=int, required=True)
p.add_argument("--task", choices=["gsm8k", "mmlu", "arc"])
p.parse_args()
PY
set -e
python3 eval.py --shots five --task mmlu
echo done
