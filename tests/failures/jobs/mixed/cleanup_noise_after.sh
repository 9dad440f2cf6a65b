# about: the cause stands in the middle; a trap's failing cleanup comes last
# category: missing module
# retryable: after_change
# evidence: ModuleNotFoundError: No module named 'apex'
# tool: bash --version
### job
set -e
finish() { echo "-- cleanup --"; rm /tmp/run.lock; kill 999999; cp -r ckpt /archive/run; echo "cleanup finished"; true; }
trap 'set +e; finish; exit 1' EXIT
echo "compiling"; echo "0 errors"
python3 -c 'import apex'
echo "never"
