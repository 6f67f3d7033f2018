//! Times the bootstrap of an AUROC: `cargo run --release -p hilum-metrics --example bootstrap_speed -- 100000 1000`.

use hilum_metrics::classification::BinaryScores;
use hilum_metrics::statistics::{BootstrapOptions, RankScore, bootstrap_rank, jackknife_rank};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use std::time::Instant;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let n: usize = arguments.next().map_or(Ok(100_000), |v| v.parse())?;
    let resamples: usize = arguments.next().map_or(Ok(1000), |v| v.parse())?;
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut uniform = || f64::from(rng.next_u32()) / f64::from(u32::MAX);
    let labels: Vec<bool> = (0..n).map(|_| uniform() < 0.1).collect();
    let scores: Vec<f64> = labels
        .iter()
        .map(|y| uniform() + if *y { 0.4 } else { 0.0 })
        .collect();
    let start = Instant::now();
    let data = BinaryScores::new(&labels, &scores)?;
    println!("rank {n} scores: {:.3} s", start.elapsed().as_secs_f64());
    for kind in [RankScore::Auroc, RankScore::AveragePrecision] {
        let start = Instant::now();
        let options = BootstrapOptions {
            resamples,
            ..Default::default()
        };
        let b = bootstrap_rank(&data, kind, None, &options)?;
        let seconds = start.elapsed().as_secs_f64();
        let ci = b.percentile(0.95)?;
        println!(
            "{kind:?} {:.4} ({:.4} to {:.4}), {resamples} resamples: {seconds:.3} s",
            b.estimate, ci.low, ci.high
        );
        let start = Instant::now();
        let bca = b.bca(0.95, &jackknife_rank(&data, kind, None)?)?;
        println!(
            "  BCa {:.4} to {:.4}: {:.3} s more",
            bca.low,
            bca.high,
            start.elapsed().as_secs_f64()
        );
    }
    let patients: Vec<usize> = (0..n).map(|i| i / 3).collect();
    let start = Instant::now();
    let b = bootstrap_rank(
        &data,
        RankScore::Auroc,
        Some(&patients),
        &BootstrapOptions {
            resamples,
            ..Default::default()
        },
    )?;
    let ci = b.percentile(0.95)?;
    println!(
        "AUROC by patient ({:.4} to {:.4}): {:.3} s",
        ci.low,
        ci.high,
        start.elapsed().as_secs_f64()
    );
    Ok(())
}
