# about: an archive that is none
# category: corrupt_data
# retryable: after_change
# evidence: gzip: stdin: not in gzip format|tar: .*not recoverable|tar: Child returned status
# tool: tar --version
### job
echo '<html><body>404 Not Found</body></html>' > data.tar.gz
echo "unpacking data.tar.gz"; tar xzf data.tar.gz && ls
