# about: require of a package that is not installed
# category: missing module
# retryable: after_change
# evidence: Error: Cannot find module '@scope/runner'
# needs: node
# tool: node --version
### job
echo "node $(node --version)"; echo 'require("@scope/runner").run()' > i.js; node i.js
