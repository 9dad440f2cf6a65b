# about: vector::at beyond its end
# category: code_error
# or: native_crash
# retryable: no after_change
# evidence: vector::_M_range_check
# tool: g++ --version
### job
cat > m.cpp <<'C'
#include <iostream>
#include <vector>
int main() { std::vector<int> v(10); for (int i = 0; i < 20; i += 5) { std::cout << "cell " << i << std::endl; v.at(i) = 1; } }
C
g++ -o m m.cpp && ./m
