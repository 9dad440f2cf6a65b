# about: the linker misses a function
# category: code_error
# or: missing library
# retryable: after_change no
# evidence: undefined reference to `dgemm_'
# tool: gcc --version
### job
echo 'void dgemm_(void); int main(void) { dgemm_(); return 0; }' > m.c
printf 'solver: m.o\n\tgcc -o solver m.o\n' > Makefile; make && ./solver
