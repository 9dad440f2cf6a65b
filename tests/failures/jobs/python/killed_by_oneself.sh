# about: the job's memory watchdog kills it: 137, and only `Killed` says it
# category: out_of_memory host
# or: unknown
# or: out_of_memory cgroup
# or: native_crash
# retryable: after_change
# evidence: Killed
# tool: bash --version
### job
echo "loading 8 workers"
( sleep 1; kill -KILL $(cat pid) ) &
python3 -c 'import os,time; open("pid","w").write(str(os.getpid())); print("rss 1.9 GiB of 2.0 GiB", flush=True); time.sleep(20)'
rc=$?
echo "python ended with $rc"
exit $rc
