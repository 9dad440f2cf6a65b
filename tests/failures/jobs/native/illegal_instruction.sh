# about: a binary built for another processor
# category: native_crash
# retryable: after_change no
# evidence: Illegal instruction
# tool: gcc --version
### job
echo 'int main(void) { __builtin_trap(); }' > a.c; gcc -o dgemm_avx512 a.c
lscpu | head -3
./dgemm_avx512; rc=$?
echo "exit: $rc"; exit $rc
