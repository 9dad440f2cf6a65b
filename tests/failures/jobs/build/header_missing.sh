# about: a header that is not installed
# category: missing file
# or: missing library
# or: missing
# retryable: after_change
# evidence: fatal error: cuda_runtime.h: No such file or directory
# tool: gcc --version
### job
echo '#include <cuda_runtime.h>' > k.c; printf 'all: k.o\nk.o: k.c\n\tgcc -c k.c\n' > Makefile
echo "building the extension"; make
