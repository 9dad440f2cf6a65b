# about: one MPI rank crashes, with Open MPI's report
# category: native_crash
# retryable: no after_change
# evidence: Signal: Segmentation fault
# evidence: exited on signal 11
# needs: mpicc
# tool: mpirun --version
### job
cat > m.c <<'C'
#include <mpi.h>
#include <stdio.h>
int main(int c, char **v) { int r; MPI_Init(&c, &v); MPI_Comm_rank(MPI_COMM_WORLD, &r);
  printf("rank %d reads its part\n", r); fflush(stdout); MPI_Barrier(MPI_COMM_WORLD); if (r == 2) *(volatile int *)0 = 1; MPI_Barrier(MPI_COMM_WORLD); MPI_Finalize(); }
C
mpicc -o m m.c && mpirun --oversubscribe -n 3 ./m
rc=$?; echo "mpirun: $rc"; exit $rc
