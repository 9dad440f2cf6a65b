# about: a checkpoint meets the home folder's quota; EDQUOT is given by a preloaded library, for want of quotas in the kernel
# category: quota
# or: disk_full
# retryable: after_change
# evidence: OSError: \[Errno 122\] Disk quota exceeded
# tool: python3 --version
### root
cat > /opt/q.c <<'C'
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <unistd.h>
static long left = 3000000;
ssize_t write(int fd, const void *b, size_t n) { static ssize_t (*real)(int, const void *, size_t); if (!real) real = dlsym(RTLD_NEXT, "write"); if (fd > 2 && (left -= n) < 0) { errno = EDQUOT; return -1; } return real(fd, b, n); }
C
gcc -w -shared -fPIC -o /opt/libq.so /opt/q.c -ldl
### job
cat > train.py <<'PY'
import logging
logging.basicConfig(level=logging.INFO, format="%(asctime)s - %(levelname)s - %(message)s")
for step in range(0, 5000, 500):
    logging.info("global_step %d: loss = %.4f", step, 9 / (1 + step))
    with open(f"/home/alice/ckpt-{step}.bin", "wb", buffering=0) as f:
        f.write(b"w" * 900_000)
    logging.info("saved checkpoint ckpt-%d.bin", step)
PY
LD_PRELOAD=/opt/libq.so python3 train.py
