# about: R: cannot allocate a vector
# category: out_of_memory host
# retryable: after_change
# evidence: cannot allocate vector of size
# needs: Rscript
# tool: Rscript --version
### job
ulimit -v 3000000
echo 'cat("distance matrix\n"); d <- matrix(0, 60000, 60000)' > a.R; Rscript a.R
