# about: a code error: a key that a YAML lacks, deep in the user's own code, with a library frame last
# category: code_error
# or: configuration
# retryable: after_change no
# evidence: ^KeyError: 'warmup_steps'
# evidence: train.py.*line .*in build_schedule
# needs: venv
# tool: python3 --version
### job
source /opt/venvs/train/bin/activate
cat > c.yaml <<'Y'
train:
  lr: 0.001
  steps: 2000
Y
cat > train.py <<'PY'
import yaml
def build_schedule(cfg):
    return [cfg["train"]["lr"] * min(1, s / cfg["train"]["warmup_steps"]) for s in range(3)]
def main():
    cfg = yaml.safe_load(open("c.yaml"))
    print("config:", cfg)
    for s in range(20):
        print(f"step {s} loss {3.2 - s/10:.3f} grad_norm {1 + s/50:.2f}")
    build_schedule(cfg)
if __name__ == "__main__":
    main()
PY
python -u train.py
