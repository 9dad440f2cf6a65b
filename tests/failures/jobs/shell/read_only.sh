# about: writes to a file system mounted read-only
# category: permission
# or: disk_full
# or: configuration
# retryable: after_change no
# evidence: Read-only file system
# tool: bash --version
### root
mkdir /project && mount -t tmpfs tmpfs /project && mount -o remount,ro /project
### job
set -e
echo "copying results"; mkdir -p /project/results/run-9
