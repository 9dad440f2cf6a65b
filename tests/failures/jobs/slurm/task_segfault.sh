# about: a task crashes: srun says Segmentation fault
# category: native_crash
# retryable: no after_change
# evidence: task 0: Segmentation fault
# sbatch: -n 2 -N 1
### job
printf '#include <stdlib.h>\n#include <unistd.h>\nint main() { sleep(1); if (getenv("SLURM_PROCID")[0] == 48) *(volatile int *)0 = 1; sleep(1); return 0; }' > cr.c; gcc -w -o cr cr.c
srun ./cr
