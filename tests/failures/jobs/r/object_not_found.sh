# about: R: an object that does not exist, execution halted
# category: code_error
# retryable: after_change no
# evidence: object 'pheno' not found
# needs: Rscript
# tool: Rscript --version
### job
cat > fit.R <<'R'
message("Loading data"); d <- data.frame(x = 1:10, y = rnorm(10)); warning("error column dropped")
fit <- function(d) lm(y ~ x, data = d)
print(summary(fit(d))$r.squared > -1); fit(pheno)
R
Rscript fit.R
