# about: die with an open's error
# category: missing file
# retryable: after_change
# evidence: cannot open reads.fastq: No such file or directory
# tool: perl --version
### job
cat > p.pl <<'P'
use strict; use warnings;
print STDERR "[trim] 2 adapters\n";
open(my $f, "<", "reads.fastq") or die "cannot open reads.fastq: $!";
P
perl p.pl
