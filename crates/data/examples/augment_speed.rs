//! Measures how many 128x128 images a second one core augments.

use hilum_data::{AugmentConfig, Augmentation};
use std::time::Instant;

fn main() {
    let size = 128;
    let image: Vec<u8> = (0..size * size).map(|i| (i % 251) as u8).collect();
    let mut out = vec![0.0; size * size];
    for (name, config) in [("none", AugmentConfig::NONE), ("positioning", AugmentConfig::POSITIONING)] {
        let count = 5000;
        let start = Instant::now();
        let mut sum = 0.0;
        for sample in 0..count {
            Augmentation::draw(&config, size, 1, 0, sample).image(&image, &mut out);
            sum += out[(sample as usize * 37) % out.len()];
        }
        let rate = count as f64 / start.elapsed().as_secs_f64();
        println!("{name}: {rate:.0} images/s (checksum {sum:.3})");
    }
}
