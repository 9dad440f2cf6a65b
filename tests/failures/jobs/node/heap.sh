# about: V8's heap limit
# category: out_of_memory host
# retryable: after_change
# evidence: JavaScript heap out of memory
# needs: node
# tool: node --version
### job
cat > build.js <<'J'
const all = []; let n = 0;
console.log("building 900 pages");
for (;;) { all.push(new Array(1e5).fill({ n: n++ })); if (n % 20 === 0) console.log("page " + n); }
J
node --max-old-space-size=40 build.js
