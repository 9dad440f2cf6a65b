# about: click refuses a command line
# category: configuration
# retryable: after_change
# evidence: No such option
# needs: venv
# tool: venv click
### job
source /opt/venvs/train/bin/activate
cat > cli.py <<'PY'
import click
@click.group()
def main(): ...
@main.command()
@click.option("--config", type=click.Path(exists=True))
@click.option("--max-steps", type=int)
def fit(config, max_steps):
    click.echo("fitting")
main()
PY
echo "config: default"
python cli.py fit --max-step 100
