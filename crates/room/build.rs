//! The embedded files are part of the crate: a file that comes or goes is a reason to build again.

fn main() {
    println!("cargo:rerun-if-changed=assets");
}
