# about: an integer division by zero: floating point exception
# category: native_crash
# retryable: no after_change
# evidence: Floating point exception
# tool: gcc --version
### job
cat > a.c <<'C'
#include <stdio.h>
#include <stdlib.h>
int main(int c, char **v) { int n = atoi(v[1]); for (int i = 3; i >= n; i--) { printf("block %d: %d\n", i, 100 / i); fflush(stdout); } return 0; }
C
gcc -O0 -o a a.c; ./a 0; exit $?
