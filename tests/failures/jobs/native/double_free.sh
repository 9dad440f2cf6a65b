# about: glibc finds a double free
# category: native_crash
# retryable: no after_change
# evidence: free\(\): double free detected|double free or corruption
# tool: gcc --version
### job
cat > a.c <<'C'
#include <stdlib.h>
#include <stdio.h>
int main(void) { char *p = malloc(5000), *q = malloc(5000); puts("freeing the buffers"); fflush(stdout); free(p); free(p); return q == p; }
C
gcc -w -O0 -o a a.c && ./a
