# about: a null pointer in C after good output
# category: native_crash
# retryable: no after_change
# evidence: Segmentation fault
# tool: gcc --version
### job
cat > sim.c <<'C'
#include <stdio.h>
#include <stdlib.h>
struct cell { double v; struct cell *next; };
int main(void) {
  struct cell *c = calloc(1, sizeof *c);
  for (int t = 0; t < 200; t += 20) { printf("t=%d energy=%.6f drift=%.1e\n", t, -1.5 + t * 1e-6, 1e-6 * t); fflush(stdout); }
  while (1) { c->v += 1; c = c->next; }
}
C
gcc -O1 -g -o sim sim.c || exit 1
./sim --steps 1000
rc=$?
echo "simulation returned $rc"
exit $rc
