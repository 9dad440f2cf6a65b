# about: click refuses a path that does not exist
# category: configuration
# or: missing file
# retryable: after_change
# evidence: does not exist
# needs: venv
# tool: venv click
### job
source /opt/venvs/train/bin/activate
cat > cli.py <<'PY'
import click
@click.command()
@click.option("--config", type=click.Path(exists=True), required=True)
@click.argument("out")
def fit(config, out):
    click.echo("fitting")
fit()
PY
for d in 1 2 3; do echo "prepared shard $d/3"; done
python cli.py --config conf/llama-7b.yaml out/
rc=$?; echo "exit: $rc"; exit $rc
