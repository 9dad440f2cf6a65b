# about: podman cannot pull an image: its registry's name is unknown
# category: container
# or: name_resolution
# or: network
# retryable: yes after_change
# evidence: ghcr.io.*(no such host|server misbehaving|lookup|connection refused)
# needs: podman
# user: root
# tool: podman --version
### job
export TMPDIR=/tmp
podman --storage-driver=vfs --root /tmp/p --runroot /tmp/pr pull ghcr.io/example/harness:1.2
exit $?
