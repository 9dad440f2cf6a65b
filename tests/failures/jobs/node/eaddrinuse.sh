# about: EADDRINUSE
# category: port_in_use
# retryable: after_change
# evidence: EADDRINUSE: address already in use
# needs: node
# tool: node --version
### job
cat > s.js <<'J'
const http = require("http");
http.createServer().listen(3000, "127.0.0.1", () => { console.log("listening on 3000"); http.createServer().listen(3000, "127.0.0.1"); });
J
node s.js
