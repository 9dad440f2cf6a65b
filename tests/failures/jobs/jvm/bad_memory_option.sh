# about: a heap larger than may be reserved
# category: configuration
# or: out_of_memory host
# retryable: after_change
# evidence: Could not reserve enough space|Invalid maximum heap size
# needs: java
# tool: javac -version
### job
ulimit -v 8000000
echo "picard MarkDuplicates, 64 GB"; java -Xmx64g -version
