# about: the job prints the texts it works on, and they are about errors
# category: none
# shows: Segmentation fault
# tool: python3 --version
### job
python3 - <<'PY'
prompts = ["Why do I get `Segmentation fault (core dumped)` in this C code?",
 "Traceback (most recent call last):\n  File \"main.py\", line 1, in <module>\nZeroDivisionError: division by zero\nWhat does this mean?",
 "Explain 'CUDA error: an illegal memory access was encountered'.", "slurmstepd: error: Detected 1 oom-kill event(s). What now?",
 "fatal: Authentication failed for 'https://github.com/x/y.git'", "bash: foo: command not found"]
for i, p in enumerate(prompts):
    print(f"--- sample {i}\nPROMPT: {p}\nANSWER: The error comes from ... (score {0.5 + i / 20:.2f})")
print("eval finished: 6 samples, pass@1 = 0.667")
PY
