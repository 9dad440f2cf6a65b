# about: AddressSanitizer finds a heap overflow
# category: native_crash
# retryable: no after_change
# evidence: ERROR: AddressSanitizer: heap-buffer-overflow
# tool: gcc --version
### job
cat > a.c <<'C'
#include <stdlib.h>
#include <stdio.h>
int main(void) { int *p = malloc(10 * sizeof(int)); for (int i = 0; i <= 10; i++) p[i] = i; printf("%d\n", p[9]); return 0; }
C
gcc -fsanitize=address -g -o a a.c
echo "running the sanitizer build"
setarch -R ./a
