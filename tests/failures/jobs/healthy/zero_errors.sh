# about: summaries that count no errors
# category: none
# shows: 0 errors
# tool: gcc --version
### job
echo "lint: 0 errors, 0 warnings"
cat > a.c <<'C'
#include <stdio.h>
int main(void) { printf("checked 12000 records: 0 errors, 0 failures, error rate 0.000%%\n"); return 0; }
C
gcc -Wall -Werror -o error_counter a.c && ./error_counter
echo "No errors found. Failed: 0. Exit code: 0"
