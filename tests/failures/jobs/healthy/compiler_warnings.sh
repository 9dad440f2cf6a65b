# about: a build full of warnings, with files and targets named after errors
# category: none
# shows: warning:
# tool: gcc --version
### job
cat > error.c <<'C'
#include <string.h>
#include <stdio.h>
int report_error(const char *fatal) { int unused; char buf[4]; strncpy(buf, fatal, 9); printf("%d\n", fatal); return 0; }
C
cat > main.c <<'C'
int report_error(const char *);
int main() { return report_error("ok"); }
C
printf 'all: failtest\nfailtest: error.o main.o\n\tgcc -o failtest error.o main.o\n%%.o: %%.c\n\tgcc -Wall -Wextra -c $<\n' > Makefile
make -k && echo "build finished: 0 errors"
