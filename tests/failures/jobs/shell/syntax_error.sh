# about: a bash syntax error after half the work
# category: code_error
# or: configuration
# retryable: after_change no
# evidence: syntax error near unexpected token
# tool: bash --version
### job
echo "part one"
if [ -d out ]; then echo "exists"
else
for f in a b c do
  echo $f
done
fi
