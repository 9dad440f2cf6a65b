# about: a Rust panic: index out of bounds
# category: code_error
# or: native_crash
# retryable: no after_change
# evidence: index out of bounds: the len is 3
# needs: rustc
# tool: rustc --version
### job
cat > m.rs <<'R'
fn main() { let v = vec![1, 2, 3]; for i in 0..v.len() + 1 { println!("chunk {i}: {}", get(&v, i)); } }
fn get(v: &[i32], i: usize) -> i32 { v[i] }
R
rustc -q m.rs 2>/dev/null || rustc m.rs; RUST_BACKTRACE=1 ./m
