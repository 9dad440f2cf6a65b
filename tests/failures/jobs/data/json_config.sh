# about: a JSON config with a trailing comma, in the user's own launcher
# category: configuration
# or: corrupt_data
# or: code_error
# retryable: after_change
# evidence: JSONDecodeError
# tool: python3 --version
### job
printf '{"lr": 0.1,\n "epochs": 3,\n}\n' > ds_config.json
python3 -u -c '
import json
print("[launcher] reading ds_config.json")
json.load(open("ds_config.json"))'
