# about: a Rust program that does not compile
# category: code_error
# retryable: after_change no
# evidence: error\[E0308\]: mismatched types
# needs: cargo
# tool: cargo --version
### job
mkdir -p src; echo 'fn rate(x: u32) -> f64 { x }  fn main() { println!("{}", rate(3)); }' > src/main.rs
printf '[package]\nname = "rate"\nversion = "0.1.0"\nedition = "2021"\n' > Cargo.toml
cargo build --release --offline && ./target/release/rate
