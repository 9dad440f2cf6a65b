# about: tabs and blanks mixed
# category: code_error
# retryable: after_change no
# evidence: TabError|IndentationError
# tool: python3 --version
### job
printf 'def f():\n\tx = 1\n        return x\nprint(f())\n' > t.py; echo "start"; python3 t.py
