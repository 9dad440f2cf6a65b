# about: waits for a queue that nobody fills; quiet for two hours (the time is set, the log real)
# category: stuck
# retryable: yes after_change no
# look: 6
# fact: quiet_s 7200
# fact: elapsed_s 7260
# shows: waiting for the results
# tool: python3 --version
### job
python3 -u -c '
import multiprocessing as mp
q = mp.Queue()
for n in range(5): print("job", n, "sent")
print("waiting for the results of 5 jobs")
q.get()'
