# about: a script's interpreter does not exist
# category: environment
# or: missing file
# or: missing
# retryable: after_change
# evidence: bad interpreter: No such file or directory|cannot execute: required file not found
# tool: bash --version
### job
printf '#!/opt/conda/envs/old/bin/python\nprint(1)\n' > fit; chmod +x fit
echo "fit v2"; ./fit
