# about: make finds no rule
# category: missing file
# or: configuration
# retryable: after_change
# evidence: No rule to make target 'data/raw.csv'
# tool: make --version
### job
printf 'report.pdf: results.csv\n\ttouch $@\nresults.csv: data/raw.csv\n\tcp $< $@\n' > Makefile; make report.pdf
