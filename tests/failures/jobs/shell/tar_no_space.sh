# about: tar is stopped by a full disk while it unpacks
# category: disk_full
# retryable: after_change
# evidence: No space left on device
# tool: tar --version
### root
mkdir /scratch && mount -t tmpfs -o size=1m,mode=1777 tmpfs /scratch
### job
set -e
for n in 1 2 3 4; do head -c 500000 /dev/urandom > f$n; done; tar cf all.tar f1 f2 f3 f4
echo "unpacking on the node's disk"; tar xvf all.tar -C /scratch
