# about: an unhandled rejection: a TypeError in the user's own code
# category: code_error
# retryable: after_change no
# evidence: TypeError: Cannot read properties of undefined
# needs: node
# tool: node --version
### job
cat > eval.js <<'J'
async function score(r) { return r.metrics.accuracy; }
async function main() { for (const r of [{ metrics: { accuracy: 0.7 } }, { metrics: { accuracy: 0.6 } }, {}]) console.log("accuracy", await score(r)); }
main();
J
node eval.js
