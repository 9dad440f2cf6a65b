# about: a binary of another architecture
# category: environment
# or: native_crash
# or: configuration
# or: missing file
# retryable: after_change
# evidence: Exec format error|cannot execute binary file
# tool: bash --version
### job
printf '\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\xb7\0\x01\0\0\0' > tool-aarch64; head -c 200 /dev/zero >> tool-aarch64; chmod +x tool-aarch64
uname -m; ./tool-aarch64
