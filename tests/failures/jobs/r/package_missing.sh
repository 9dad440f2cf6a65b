# about: R: a package that is not installed
# category: missing module
# retryable: after_change
# evidence: there is no package called .Seurat
# needs: Rscript
# tool: Rscript --version
### job
echo 'library(stats); library(Seurat)' > a.R; Rscript a.R
