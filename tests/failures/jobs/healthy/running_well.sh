# about: alive, with handled errors in its log, and it wrote 12 s ago
# category: none
# look: 5
# fact: quiet_s 12
# fact: elapsed_s 4000
# shows: ConnectionResetError
# tool: python3 --version
### job
python3 -u -c '
import time
for s in range(40):
    print("step", s, "loss", 1 / (s + 1))
    if s == 20: print("ERROR uploader: ConnectionResetError: [Errno 104] Connection reset by peer; will try again in 60 s")
time.sleep(60)'
