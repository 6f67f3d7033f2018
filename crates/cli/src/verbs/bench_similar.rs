//! `hilum bench similar`: how long the exact search over known cases takes.

use anyhow::Result;
use hilum_core::ModelRef;
use hilum_pipeline::index::{Entry, Index, NewCase};
use serde_json::{Value, json};
use std::time::Instant;

/// What to time.
#[derive(Debug, clap::Args)]
pub struct SimilarArgs {
    /// Cases
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    cases: u32,
    /// Features a case
    #[arg(long, default_value_t = 512, value_parser = clap::value_parser!(u16).range(1..=8192))]
    features: u16,
    /// Timed searches
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    repeats: u32,
}

/// Times searches of made-up vectors.
pub fn run(args: &SimilarArgs) -> Result<Value> {
    let d = usize::from(args.features);
    let mut state = 1u64;
    let mut next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f64 / (1u64 << 24) as f64 - 0.5
    };
    let mut vector = || (0..d).map(|_| next()).collect::<Vec<f64>>();
    let case = |i: u32, features: Vec<f64>| NewCase {
        entry: Entry {
            id: i.to_string(),
            labels: Vec::new(),
            sha256: i.to_string(),
            patient: None,
            licence: None,
        },
        features,
        thumbnail: None,
    };
    let cases = (0..args.cases).map(|i| case(i, vector())).collect();
    let model = ModelRef {
        name: "noise".into(),
        sha256: String::new(),
    };
    let index = Index::build(model, cases)?;
    let mut times = Vec::new();
    for _ in 0..args.repeats {
        let query = vector();
        let start = Instant::now();
        let found = index.search(&query, 5, |_| true);
        times.push(start.elapsed().as_secs_f64() * 1e3);
        anyhow::ensure!(!found.is_empty(), "the search found nothing");
    }
    times.sort_by(f64::total_cmp);
    Ok(json!({
        "search": "exact cosine",
        "cases": args.cases,
        "features": d,
        "ms": times[times.len() / 2],
        "ms_min": times.first(),
        "ms_max": times.last(),
        "threads": rayon::current_num_threads(),
    }))
}
