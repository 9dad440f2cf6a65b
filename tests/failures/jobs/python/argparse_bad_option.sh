# about: misspelt options of an argparse program
# category: configuration
# retryable: after_change
# evidence: unrecognized arguments: --learning-rat
# tool: python3 --version
### job
echo "== $(date) job $SLURM_JOB_ID on $HOSTNAME"
cat > train.py <<'PY'
import argparse, sys
p = argparse.ArgumentParser(description="Train the small model")
p.add_argument("--learning-rate", type=float, default=3e-4)
p.add_argument("--epochs", type=int, default=3)
p.add_argument("--errors-as-warnings", action="store_true", help="do not fail on bad records")
args = p.parse_args()
for e in range(args.epochs):
    print(f"epoch {e} done")
PY
echo "launching with 4 workers"
python3 -u train.py --epochs 2 --learning-ratee=0.01 --epochz 4
status=$?
echo "[cleanup] removing /tmp/train.$SLURM_JOB_ID"
echo "job finished with status $status"
exit $status
