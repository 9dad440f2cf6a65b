# about: hydra refuses an override that no config has
# category: configuration
# retryable: after_change
# evidence: Could not override 'optim.learning_rate'
# evidence: Key 'learning_rate' is not in struct
# needs: venv
# tool: venv hydra_core
### job
source /opt/venvs/train/bin/activate
mkdir conf
printf 'optim:\n  lr: 0.001\n  name: adamw\nmodel:\n  layers: 12\n' > conf/config.yaml
cat > run.py <<'PY'
import hydra
@hydra.main(config_path="conf", config_name="config", version_base="1.3")
def main(cfg):
    print(cfg)
main()
PY
echo "Loading config from conf/config.yaml"
python run.py optim.learning_rate=0.1
