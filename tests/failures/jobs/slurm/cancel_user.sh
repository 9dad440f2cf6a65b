# about: cancelled by its user
# category: cancelled
# retryable: yes after_change no
# evidence: CANCELLED AT
# deed: cancel alice
# sbatch: -t 30
### job
echo "warming up"; for i in 1 2 3; do echo "step $i"; done
sleep 100
