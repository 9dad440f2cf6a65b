# about: an extension module was built against another version: undefined symbol
# category: missing library
# or: environment
# or: missing module
# retryable: after_change
# evidence: undefined symbol: fused_norm_v2
# tool: gcc --version
### job
echo 'int fused_norm_v2(void); int PyInit_fused(void) { return fused_norm_v2(); }' > f.c
gcc -shared -fPIC -o fused.so f.c
python3 -u -c 'print("loading kernels"); import fused'
