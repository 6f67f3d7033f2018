//! Makes a few studies: `cargo run --release -p hilum-phantom --example contact -- OUT N SEED SIZE`.

use hilum_phantom::dataset::{Settings, generate};
use std::path::Path;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().collect();
    let number = |n: usize, otherwise: u64| {
        args.get(n)
            .and_then(|v| v.parse().ok())
            .unwrap_or(otherwise)
    };
    let settings = Settings {
        studies: number(2, 4),
        seed: number(3, 1),
        size: number(4, 512) as usize,
        ..Settings::default()
    };
    let start = std::time::Instant::now();
    let out = args.get(1).map_or("phantom-out", String::as_str);
    let summary = generate(Path::new(out), &settings, || ())?;
    println!("{summary:?} in {:.2} s", start.elapsed().as_secs_f64());
    Ok(())
}
