# about: no inodes left
# category: disk_full
# or: quota
# retryable: after_change
# evidence: No space left on device
# tool: bash --version
### root
mkdir /scratch && mount -t tmpfs -o size=20m,nr_inodes=40,mode=1777 tmpfs /scratch
### job
cd /scratch
for i in $(seq 1 60); do echo "$i" > "img-$i.txt" || { echo "extract stopped at image $i"; df -i /scratch; exit 1; }; done
