# about: a symbol version that the installed library lacks
# category: missing library
# or: environment
# retryable: after_change
# evidence: version `SOLVER_2.0' not found
# tool: gcc --version
### job
echo 'int solve(void) { return 0; }' > s.c; echo 'int solve(void); int main(void) { return solve(); }' > m.c
echo 'SOLVER_2.0 { global: solve; };' > new.map; echo 'SOLVER_1.0 { global: solve; };' > old.map
gcc -shared -fPIC -o libsolver.so s.c -Wl,--version-script=new.map && gcc -o m m.c ./libsolver.so
gcc -shared -fPIC -o libsolver.so s.c -Wl,--version-script=old.map
echo "solver front end 4.1"; ./m
