# about: errexit is off, and the last command's status counts: grep finds no errors
# category: none
# shows: checking for errors
# tool: bash --version
### job
for i in 1 2 3 4; do echo "fold $i: auc 0.8$i" | tee -a fold.log; done
echo "checking for errors: Traceback|Error|Killed|OOM|No space left"
grep -E 'Traceback|Error|Killed|OOM|No space left' fold.log
! grep -q Error fold.log && echo "no error in fold.log"
