# about: set -x echoes lines full of failure
# category: none
# shows: \+ .*error
# tool: bash --version
### job
set -ex
fail() { echo "FATAL: $1" >&2; exit 1; }
trap 'echo "ERROR: job failed at line $LINENO"' ERR
test -d /home/alice || fail "no home: No such file or directory"
if grep -q "CUDA out of memory" /etc/hostname; then fail "CUDA out of memory"; fi
echo "error: none" > error.log
cat error.log
rm -f core.* "Segmentation fault.txt"
[ -e checkpoint.pt ] || echo "checkpoint not found, starting fresh"
python3 -c 'print("trained, 0 errors")'
