# about: a Latin-1 file read as UTF-8
# category: corrupt_data
# or: code_error
# retryable: after_change
# evidence: UnicodeDecodeError: 'utf-8' codec can't decode
# tool: python3 --version
### job
printf 'name;city\nJos\xe9;M\xe1laga\n' > people.csv
python3 -u - <<'PY'
print("rows:", sum(1 for _ in open("people.csv", encoding="utf-8")))
PY
