# about: Python: name or service not known
# category: name_resolution
# retryable: yes after_change
# evidence: Name or service not known|No address associated
# tool: python3 --version
### root
python3 /srv/job/servers.py dns & sleep 1
### job
python3 -u -c '
import urllib.request
print("uploading results")
urllib.request.urlopen("https://wandb.example.org/api")'
