# about: a user's quota is used up; the answer of the file system (EDQUOT) is given by a preloaded library, for want of quotas in the kernel
# category: quota
# or: disk_full
# retryable: after_change
# evidence: Disk quota exceeded
# tool: cp --version
### root
cat > /opt/q.c <<'C'
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
static long left = 2000000;
static int counted(int fd) { char link[64], path[512]; snprintf(link, 64, "/proc/self/fd/%d", fd); ssize_t n = readlink(link, path, 511); if (n < 0) return 0; path[n] = 0; return !!strstr(path, "/home/alice/"); }
ssize_t write(int fd, const void *b, size_t n) { static ssize_t (*real)(int, const void *, size_t); if (!real) real = dlsym(RTLD_NEXT, "write"); if (counted(fd) && (left -= n) < 0) { errno = EDQUOT; return -1; } return real(fd, b, n); }
ssize_t copy_file_range(int a, off_t *b, int c, off_t *d, size_t e, unsigned f) { errno = ENOSYS; return -1; }
C
gcc -w -shared -fPIC -o /opt/libq.so /opt/q.c -ldl; chmod 755 /opt/libq.so; dd if=/dev/urandom of=/tmp/weights.bin bs=1M count=3 status=none; chmod 644 /tmp/weights.bin; mkdir -p /home/alice
### job
set -e
echo "copying results home"
LD_PRELOAD=/opt/libq.so cp --reflink=never /tmp/weights.bin /home/alice/weights.bin
echo done
