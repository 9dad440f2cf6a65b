# about: a Perl and awk pipeline with warnings
# category: none
# shows: uninitialized
# tool: perl --version
### job
printf 'a 1\nb\nc 3\n' > t.txt
perl -wne '@f = split; $s += $f[1]; print "line $. ok\n"; END { print "sum $s\n" }' t.txt
awk '{ if (NF < 2) print "warning: short record at line " NR > "/dev/stderr"; n++ } END { print n, "records, errors: 0" }' t.txt
sort -k2 t.txt | head -1 >/dev/null; yes | head -2 | wc -l
