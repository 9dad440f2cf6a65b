# about: one Python rank under mpirun raises
# category: code_error
# retryable: after_change no
# evidence: ^IndexError: list index out of range
# needs: mpicc
# tool: mpirun --version
### job
cat > r.py <<'PY'
import os, time
r = int(os.environ["OMPI_COMM_WORLD_RANK"]); files = ["a", "b", "c"]
time.sleep(r / 5); print("rank", r, "of 4 takes", files[r], flush=True); time.sleep(3)
PY
mpirun --oversubscribe -n 4 python3 r.py
