# about: npm cannot reach its registry
# category: network
# retryable: yes
# evidence: ECONNREFUSED
# needs: npm
# tool: npm --version
### job
export npm_config_registry=http://127.0.0.1:4873 npm_config_fetch_retries=1 npm_config_fetch_retry_mintimeout=100 npm_config_fetch_retry_maxtimeout=100 npm_config_update_notifier=false
echo '{"name": "viewer", "version": "1.0.0", "dependencies": {"left-pad": "^1.3.0"}}' > package.json
echo "installing the viewer"; npm install --no-audit --no-fund
