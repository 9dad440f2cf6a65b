# about: an environment variable that the program needs
# category: configuration
# or: code_error
# or: environment
# or: authentication
# retryable: after_change
# evidence: ^KeyError: 'WANDB_API_KEY'
# tool: python3 --version
### job
python3 -u -c '
import os
print("logging to wandb")
key = os.environ["WANDB_API_KEY"]'
