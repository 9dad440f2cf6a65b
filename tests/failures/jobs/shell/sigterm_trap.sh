# about: the job is asked to end (SIGTERM), its trap cleans up and exits 143
# category: cancelled
# or: preempted
# or: time_limit
# or: unknown
# retryable: yes after_change no
# evidence: caught SIGTERM
# tool: bash --version
### job
trap 'echo "caught SIGTERM, cleaning up"; rm -f lock; exit 143' TERM
echo "step 1"; echo "step 2"
( sleep 1; kill -TERM $$ ) &
while true; do sleep 0.2; done
