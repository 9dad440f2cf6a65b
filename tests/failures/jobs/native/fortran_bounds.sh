# about: a Fortran array bound, checked at run time
# category: code_error
# or: native_crash
# retryable: no after_change
# evidence: Fortran runtime error: Index
# needs: gfortran
# tool: gfortran --version
### job
cat > m.f90 <<'F'
program m
  real :: u(10)
  integer :: i
  do i = 1, 11
    if (mod(i, 5) == 0) print *, 'step', i
    u(i) = i
  end do
end program
F
gfortran -fcheck=all -g -o m m.f90 && ./m
