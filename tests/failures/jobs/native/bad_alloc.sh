# about: an uncaught std::bad_alloc
# category: out_of_memory host
# retryable: after_change
# evidence: std::bad_alloc
# tool: g++ --version
### job
ulimit -v 500000
cat > m.cpp <<'C'
#include <iostream>
#include <vector>
int main() { std::vector<std::vector<double>> grid; for (int i = 0;; ++i) { grid.emplace_back(4'000'000); std::cout << "refined level " << i << std::endl; } }
C
g++ -O0 -o m m.cpp && ./m
exit $?
