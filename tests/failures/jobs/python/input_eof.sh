# about: a program asks a question, and nobody is there
# category: configuration
# or: code_error
# or: authentication
# retryable: after_change no
# evidence: EOFError: EOF when reading a line
# tool: python3 --version
### job
python3 -u -c '
print("the output folder exists")
input("overwrite? [y/N] ")'
