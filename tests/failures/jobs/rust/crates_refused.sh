# about: cargo cannot reach its registry's host
# category: name_resolution
# or: network
# retryable: yes after_change
# evidence: Could not resolve host|could not resolve host
# needs: cargo
# tool: cargo --version
### job
mkdir -p src ~/.cargo; echo 'fn main() {}' > src/main.rs
printf '[package]\nname = "fit"\nversion = "0.1.0"\nedition = "2021"\n[dependencies]\nserde = "1"\n' > Cargo.toml
export CARGO_NET_RETRY=1
cargo build
