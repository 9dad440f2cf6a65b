# shellcheck shell=bash
# Shared by the scripts beside it; sourced, from the repository's root.

# A network with a certificate authority of its own has told the system, and neither pip, uv nor Node.js.
trust_the_system() {
  local roots=/etc/ssl/certs/ca-certificates.crt
  [ -r "$roots" ] || return 0
  export PIP_CERT="${PIP_CERT:-$roots}" NODE_EXTRA_CA_CERTS="${NODE_EXTRA_CA_CERTS:-$roots}"
  export UV_SYSTEM_CERTS="${UV_SYSTEM_CERTS:-1}" UV_NATIVE_TLS="${UV_NATIVE_TLS:-1}" # the newer and the older name
}

say() { printf '== %s\n' "$*" >&2; }

die() { printf 'error: %s\n' "$*" >&2; exit 1; }

# retry WORDS...: a command that downloads; mirrors have bad moments.
retry() {
  local attempt
  for attempt in 1 2 3 4; do
    "$@" && return 0
    [ "$attempt" = 4 ] || { say "failed (attempt $attempt of 4), again in $((attempt * 5)) s: $*"; sleep $((attempt * 5)); }
  done
  return 1
}

can_install() { [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; }

# debian_packages NAME...: install Debian's packages, as root.
debian_packages() {
  say "installing Debian's packages: $*"
  export DEBIAN_FRONTEND=noninteractive
  retry apt-get -q -o Acquire::Retries=3 -o DPkg::Lock::Timeout=120 update >/dev/null
  retry apt-get -q -y -o Acquire::Retries=3 -o DPkg::Lock::Timeout=120 -o Dpkg::Use-Pty=0 \
    install --no-install-recommends "$@" >/dev/null
}

# find_uv: set UV to a usable uv, made by pip in .tooling/ where the machine has none.
find_uv() {
  if UV=$(command -v uv) && "$UV" --version >/dev/null 2>&1; then return; fi
  UV=$PWD/.tooling/bin/uv
  if "$UV" --version >/dev/null 2>&1; then return; fi
  if ! python3 -c 'import venv, ensurepip' >/dev/null 2>&1; then
    can_install || die "neither uv nor a python3 with venv is here. Install one: https://docs.astral.sh/uv, or python3-venv."
    debian_packages python3 python3-venv ca-certificates
    trust_the_system
  fi
  say "making .tooling/ with uv"
  rm -rf .tooling
  python3 -m venv .tooling
  retry .tooling/bin/pip install --quiet --disable-pip-version-check 'uv>=0.9'
}

trust_the_system
