# about: alive and quiet for a while inside a long epoch: no failure
# category: none
# look: 4
# fact: quiet_s 240
# fact: elapsed_s 500
# shows: epoch 0
# tool: python3 --version
### job
python3 -u -c '
import time
print("epoch 0: 4 min each, errors are counted at its end")
time.sleep(60)'
