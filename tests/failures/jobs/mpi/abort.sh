# about: MPI_Abort by rank 1 after its own message
# category: code_error
# or: configuration
# or: corrupt_data
# or: distributed
# retryable: after_change no
# evidence: rank 1: negative density
# needs: mpicc
# tool: mpirun --version
### job
cat > m.c <<'C'
#include <mpi.h>
#include <stdio.h>
#include <unistd.h>
int main(int c, char **v) { int r; MPI_Init(&c, &v); MPI_Comm_rank(MPI_COMM_WORLD, &r);
  for (int s = 0; s < 5; s++) { MPI_Barrier(MPI_COMM_WORLD); if (!r) { printf("cycle %d\n", s); fflush(stdout); }
    if (r == 1 && s == 3) { usleep(200000); fprintf(stderr, "rank 1: negative density in cell 8812\n"); MPI_Abort(MPI_COMM_WORLD, 7); } }
  MPI_Finalize(); }
C
mpicc -o m m.c && mpirun --oversubscribe -n 3 ./m
