# about: an uncaught std::runtime_error with a message about its configuration
# category: configuration
# or: missing file
# or: native_crash
# retryable: after_change
# evidence: what\(\): +cannot open parameter file
# tool: g++ --version
### job
cat > m.cpp <<'C'
#include <fstream>
#include <iostream>
#include <stdexcept>
int main(int c, char **v) { std::cout << "MyCFD 2.4, 1 rank\n" << std::flush; std::ifstream f(v[1]); if (!f) throw std::runtime_error(std::string("cannot open parameter file ") + v[1]); }
C
g++ -o mycfd m.cpp && ./mycfd params/run7.in
