//! Times `load` on files: `cargo run --release -p hilum-dicom --example time_load FILE...`.

use hilum_dicom::{Recipe, load};
use std::time::Instant;

fn main() {
    for path in std::env::args().skip(1) {
        for _ in 0..3 {
            let start = Instant::now();
            match load(path.as_ref(), Recipe::Voi) {
                Ok(image) => println!(
                    "{path}: {}x{} in {:.1} ms",
                    image.width,
                    image.height,
                    start.elapsed().as_secs_f64() * 1e3
                ),
                Err(error) => println!(
                    "{error} ({}) in {:.1} ms",
                    error.kind(),
                    start.elapsed().as_secs_f64() * 1e3
                ),
            }
        }
    }
}
