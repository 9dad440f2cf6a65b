# about: the first step fails, the script tries again, and the job ends well
# category: none
# shows: exited with exit code 1|Exited with exit code 1
# sbatch: -n 1
### job
srun bash -c 'echo "trying"; exit 1' || echo "first try failed, once more"
srun bash -c 'echo "fine now"'
echo "all done"
