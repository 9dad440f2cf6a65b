# about: a program without one of its shared libraries
# category: missing library
# retryable: after_change
# evidence: error while loading shared libraries: libsolver.so.3
# tool: gcc --version
### job
echo 'int solve(void) { return 0; }' > s.c; echo 'int solve(void); int main(void) { return solve(); }' > m.c
gcc -shared -fPIC -o libsolver.so.3 -Wl,-soname,libsolver.so.3 s.c && gcc -o m m.c ./libsolver.so.3 && rm libsolver.so.3
echo "LD_LIBRARY_PATH=$LD_LIBRARY_PATH"
./m
