# about: a panic in a worker thread, and unwrap of its join in main
# category: code_error
# or: native_crash
# or: corrupt_data
# retryable: no after_change
# evidence: tokenizer row 17 has no id
# needs: rustc
# tool: rustc --version
### job
cat > m.rs <<'R'
use std::thread;
fn main() {
    let h: Vec<_> = (0..3).map(|w| thread::Builder::new().name(format!("worker-{w}")).spawn(move || {
        for n in (0..30) { println!("{w}: {n}"); if n == 17 && w == 2 { panic!("tokenizer row {n} has no id"); } }
    }).unwrap()).collect();
    for t in h { t.join().unwrap(); }
    println!("done");
}
R
rustc --edition 2021 m.rs && ./m
