# about: a folder where a file is meant
# category: configuration
# or: missing file
# or: code_error
# retryable: after_change no
# evidence: IsADirectoryError: \[Errno 21\]
# tool: python3 --version
### job
mkdir model.bin
python3 -u -c '
print("loading model.bin"); open("model.bin", "rb").read()'
