# about: a child of a Python launcher dies of SIGSEGV; the launcher reports a negative status
# category: native_crash
# retryable: no after_change
# evidence: died with <Signals.SIGSEGV
# tool: python3 --version
### job
python3 -u -c '
import subprocess, sys
print("running the simulator")
subprocess.run([sys.executable, "-c", "import ctypes; ctypes.string_at(0)"], check=True)'
