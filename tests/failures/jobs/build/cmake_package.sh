# about: cmake finds no package
# category: missing library
# or: missing
# or: configuration
# or: missing file
# retryable: after_change
# evidence: CMake Error at CMakeLists.txt:3|Could not find a package configuration file provided by "Kokkos"
# needs: cmake
# tool: cmake --version
### job
printf 'cmake_minimum_required(VERSION 3.16)\nproject(app C)\nfind_package(Kokkos REQUIRED)\n' > CMakeLists.txt
cmake -B build . && cmake --build build
