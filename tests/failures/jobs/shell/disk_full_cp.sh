# about: cp to a full disk, and a tar that follows it
# category: disk_full
# retryable: after_change
# evidence: No space left on device
# tool: bash --version
### root
mkdir /scratch && mount -t tmpfs -o size=1m,mode=1777 tmpfs /scratch
### job
set -o pipefail
head -c 3000000 /dev/urandom > big.bin
for i in 1 2; do head -c 300000 /dev/urandom > /scratch/part$i && echo "wrote part$i"; done
cp big.bin /scratch/ || { df -h /scratch; exit 1; }
