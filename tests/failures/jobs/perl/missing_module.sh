# about: a Perl module that is not installed
# category: missing module
# retryable: after_change
# evidence: Can't locate Bio/SeqIO.pm in @INC
# tool: perl --version
### job
echo "blast post-processing"; echo 'use strict; use Bio::SeqIO; print "ok\n";' > p.pl; perl p.pl
