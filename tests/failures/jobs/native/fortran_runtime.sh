# about: a Fortran run-time error: a namelist file that is not there
# category: missing file
# retryable: after_change
# evidence: Fortran runtime error: Cannot open file|Fortran runtime error: File 'namelist.input' does not exist
# needs: gfortran
# tool: gfortran --version
### job
cat > wrf.f90 <<'F'
program wrf
  print *, ' starting wrf task            0  of            1'
  flush(6)
  open(10, file='namelist.input', status='old', action='read')
end program
F
gfortran -g -o wrf.exe wrf.f90 && ./wrf.exe
