# about: a C assertion
# category: native_crash
# or: code_error
# retryable: no after_change
# evidence: Assertion `n % tile == 0' failed
# tool: gcc --version
### job
cat > k.c <<'C'
#include <assert.h>
#include <stdio.h>
void kernel(int n, int tile) { assert(n % tile == 0); }
int main(void) { puts("tile 16"); fflush(stdout); kernel(100, 16); }
C
gcc -o k k.c && ./k
