# about: package.json is no JSON
# category: configuration
# or: code_error
# or: corrupt_data
# retryable: after_change
# evidence: EJSONPARSE
# needs: npm
# tool: npm --version
### job
export npm_config_update_notifier=false
echo '{"name": "viewer", "version": "1.0.0",}' > package.json
npm run build
