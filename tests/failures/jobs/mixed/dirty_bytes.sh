# about: NUL bytes, invalid UTF-8 and CRLF around the cause
# category: disk_full
# retryable: after_change
# evidence: write error: No space left on device|No space left on device
# tool: bash --version
### root
mkdir /scratch && mount -t tmpfs -o size=256k,mode=1777 tmpfs /scratch
### job
printf 'name: caf\xe9\x00\x00 binary \xff\xfe\r\nprogress 10%%\rprogress 90%%\r\n'
head -c 400000 /dev/zero > /scratch/a.bin || { printf 'abort \x00\xfe\r\n'; exit 4; }
