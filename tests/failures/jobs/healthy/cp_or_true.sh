# about: shell commands that may fail, and say so, before the real work
# category: none
# shows: cannot stat
# tool: bash --version
### job
cp ~/old-run/checkpoint.pt . || true
mkdir out; mkdir out || echo "out exists already"
rm nothing.tmp
kill -0 99999
module load cuda/12.4 2>/dev/null || echo "no modules here, using the system's compilers"
nvidia-smi || echo "no GPU driver: CPU run"
ls /datasets/imagenet/val | head -3
echo "starting"
seq 1 3 | sed 's/^/step /'
echo "All done."
