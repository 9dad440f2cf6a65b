# about: a message warns of memory, but the disk is full
# category: disk_full
# retryable: after_change
# evidence: No space left on device
# tool: sort --version
### root
mkdir /scratch && mount -t tmpfs -o size=1m,mode=1777 tmpfs /scratch
### job
echo "WARNING: memory is 92 % full, spilling to disk to avoid out of memory"
seq 1 400000 | sort -R -S 1M -T /scratch -o sorted.txt
rc=$?; echo "spill ended: $rc"; exit $rc
