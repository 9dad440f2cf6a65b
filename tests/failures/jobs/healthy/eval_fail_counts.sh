# about: an evaluation in which many samples fail, which is its result, not its failure
# category: none
# shows: FAILED
# tool: python3 --version
### job
python3 - <<'PY'
import random
random.seed(4); ok = 0
for n in range(30):
    good = random.random() > 0.5; ok += good
    print(f"[{n + 1:2}/30] task_{n:03d} ... {'PASSED' if good else 'FAILED (AssertionError: expected 4, got 5)'}")
print(f"\nResults: {ok} passed, {30 - ok} failed\nError rate: {(30 - ok) / 30:.1%}\nWrote results/errors.json")
PY
echo "exit 0"
