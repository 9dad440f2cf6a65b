# about: a YAML config that is badly indented
# category: configuration
# or: corrupt_data
# or: code_error
# retryable: after_change
# evidence: yaml.(scanner.ScannerError|parser.ParserError)
# needs: venv
# tool: venv pyyaml
### job
source /opt/venvs/train/bin/activate
printf 'model:\n  name: a\n   layers: 3\n' > run.yaml
python -u -c 'import yaml; print("loading run.yaml"); yaml.safe_load(open("run.yaml"))'
