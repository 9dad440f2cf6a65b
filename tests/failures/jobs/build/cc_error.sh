# about: a compiler error in the middle of a parallel build, with lines of other targets after it
# category: code_error
# retryable: after_change no
# evidence: error: .*undeclared
# tool: make --version
### job
for i in 1 2 3 4 5; do echo "int f$i(void) { return $i; }" > u$i.c; done
echo 'int main(void) { return total_steps; }' > main.c
printf 'OBJS = u1.o u2.o u3.o u4.o u5.o main.o\nall: app\napp: $(OBJS)\n\tgcc -o $@ $^\n%%.o: %%.c\n\tgcc -Wall -O2 -c $<\n' > Makefile
make -k -j2
