# about: the stack protector
# category: native_crash
# retryable: no after_change
# evidence: stack smashing detected
# tool: gcc --version
### job
cat > a.c <<'C'
#include <string.h>
#include <stdio.h>
void name(const char *s) { char b[8]; strcpy(b, s); puts(b); fflush(stdout); }
int main(int c, char **v) { name(v[1]); return 0; }
C
gcc -w -fstack-protector-all -U_FORTIFY_SOURCE -o a a.c
./a "a name much longer than the buffer for it is"
