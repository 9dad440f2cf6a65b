# about: a driver older than the CUDA runtime, told by a stub of its library
# category: cuda driver
# or: cuda not_available
# retryable: after_change
# evidence: driver on your system is too old|CUDA driver version is insufficient
# needs: venv cuda gcc
# tool: venv torch
### job
source /opt/venvs/train/bin/activate
cat > s.c <<'C'
int cuInit(unsigned f) { return 0; }
int cuDriverGetVersion(int *v) { *v = 10020; return 0; }
int cuDeviceGetCount(int *n) { *n = 1; return 0; }
int cuGetProcAddress_v2(const char *s, void **p, int v, unsigned long f, void *q) { *p = 0; return 500; }
int cuGetProcAddress(const char *s, void **p, int v, unsigned long f) { *p = 0; return 500; }
C
gcc -shared -fPIC -o libcuda.so.1 s.c
LD_LIBRARY_PATH=$PWD python -u -c 'import torch; print(torch.version.cuda); torch.zeros(1, device="cuda")'
