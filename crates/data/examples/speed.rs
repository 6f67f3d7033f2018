//! Measures augmentation on one core and the search for near-duplicates; `speed augment` or `speed search` runs one.

use hilum_data::duplicates::{DuplicateConfig, Fingerprint, find_pairs};
use hilum_data::{AugmentConfig, Augmentation};
use std::path::Path;
use std::time::Instant;

fn main() -> hilum_data::Result<()> {
    let part = std::env::args().nth(1);
    let wanted = |name: &str| part.as_deref().is_none_or(|p| p == name);
    if wanted("augment") {
        augment();
    }
    if wanted("search") { search() } else { Ok(()) }
}

fn augment() {
    let size = 128;
    let image: Vec<u8> = (0..size * size).map(|i| (i % 251) as u8).collect();
    let mut out = vec![0.0; size * size];
    for (name, config) in [
        ("unchanged", AugmentConfig::NONE),
        ("positioning", AugmentConfig::POSITIONING),
    ] {
        let count = 5000u64;
        let start = Instant::now();
        let mut sum = 0.0;
        for sample in 0..count {
            Augmentation::draw(&config, size, 1, 0, sample).image(&image, &mut out);
            sum += out[(sample as usize * 37) % out.len()];
        }
        let rate = count as f64 / start.elapsed().as_secs_f64();
        println!("128x128, {name}: {rate:.0} images/s on one core (checksum {sum:.3})");
    }
}

fn search() -> hilum_data::Result<()> {
    let count = 20_000;
    let noise = |seed: usize| {
        let data = (0..256)
            .map(|i| (((i + 1) * (seed + 7) * 2_654_435_761) >> 13) as u8)
            .collect();
        hilum_data::pixels::Plane8 {
            width: 16,
            height: 16,
            data,
        }
    };
    let prints = (0..count).map(|i| Ok(Some(Fingerprint::new(noise(i), Path::new("noise"))?)));
    let prints = prints.collect::<hilum_data::Result<Vec<_>>>()?;
    let start = Instant::now();
    let pairs = find_pairs(&prints, &DuplicateConfig::default(), |_, _| true).len();
    let seconds = start.elapsed().as_secs_f64();
    let rate = count as f64 * (count - 1) as f64 / 2.0 / seconds;
    println!("{count} images: {seconds:.2} s, {rate:.2e} comparisons/s, {pairs} pairs");
    Ok(())
}
