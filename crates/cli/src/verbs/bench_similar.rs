//! `hilum bench similar`: how long the search over known cases takes, and what the approximate one finds.

use anyhow::Result;
use hilum_core::ModelRef;
use hilum_pipeline::index::{Entry, Index, NewCase};
use serde_json::{Value, json};
use std::collections::HashSet;
use std::time::Instant;

/// Neighbours that are asked for.
const NEIGHBOURS: usize = 10;

/// What to time.
#[derive(Debug, clap::Args)]
pub struct SimilarArgs {
    /// Cases
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    cases: u32,
    /// Features a case
    #[arg(long, default_value_t = 512, value_parser = clap::value_parser!(u16).range(1..=8192))]
    features: u16,
    /// Directions that the features vary in, as those of networks do in fewer than they have; all of them is the hardest for a graph
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..=8192))]
    directions: u16,
    /// Timed searches
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    repeats: u32,
    /// Time the approximate search too, and say which share of the ten nearest it finds
    #[arg(long)]
    approximate: bool,
}

/// Evenly distributed numbers from -0.5 to 0.5, the same every time.
struct Numbers(u64);

impl Numbers {
    fn vector(&mut self, n: usize) -> Vec<f64> {
        let mut next = || {
            self.0 = self
                .0
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (self.0 >> 40) as f64 / (1u64 << 24) as f64 - 0.5
        };
        (0..n).map(|_| next()).collect()
    }
}

/// Made-up vectors in a space of fewer directions.
struct Made {
    numbers: Numbers,
    directions: Vec<Vec<f64>>,
    features: usize,
}

impl Made {
    fn new(features: usize, directions: usize) -> Self {
        let mut numbers = Numbers(1);
        let flat = directions < features;
        let count = if flat { directions } else { 0 };
        Made {
            directions: (0..count).map(|_| numbers.vector(features)).collect(),
            numbers,
            features,
        }
    }

    fn next(&mut self) -> Vec<f64> {
        if self.directions.is_empty() {
            return self.numbers.vector(self.features);
        }
        let weights = self.numbers.vector(self.directions.len());
        let mut out = vec![0.0; self.features];
        for (direction, weight) in self.directions.iter().zip(weights) {
            out.iter_mut()
                .zip(direction)
                .for_each(|(o, d)| *o += weight * d);
        }
        out
    }
}

fn case(i: u32, features: Vec<f64>) -> NewCase {
    NewCase {
        entry: Entry {
            id: i.to_string(),
            labels: Vec::new(),
            sha256: i.to_string(),
            patient: None,
            licence: None,
        },
        features,
        thumbnail: None,
    }
}

/// Times of searches, rising, and what each found.
struct Searched {
    times: Vec<f64>,
    found: Vec<HashSet<usize>>,
}

impl Searched {
    fn new(index: &Index, queries: &[Vec<f64>]) -> Result<Self> {
        let (mut times, mut found) = (Vec::new(), Vec::new());
        for query in queries {
            let start = Instant::now();
            let near = index.search(query, NEIGHBOURS, |_| true);
            times.push(start.elapsed().as_secs_f64() * 1e3);
            anyhow::ensure!(!near.is_empty(), "the search found nothing");
            found.push(near.into_iter().map(|(at, _)| at).collect());
        }
        times.sort_by(f64::total_cmp);
        Ok(Searched { times, found })
    }

    fn row(&self, search: &str) -> Value {
        json!({
            "search": search,
            "ms": self.times[self.times.len() / 2],
            "ms_min": self.times.first(),
            "ms_max": self.times.last(),
        })
    }

    /// Share of what `exact` found that is found here too.
    fn recall(&self, exact: &Searched) -> f64 {
        let pairs = || self.found.iter().zip(&exact.found);
        let shared: usize = pairs().map(|(a, b)| a.intersection(b).count()).sum();
        let wanted: usize = exact.found.iter().map(HashSet::len).sum();
        shared as f64 / wanted as f64
    }
}

/// Times searches of made-up vectors.
pub fn run(args: &SimilarArgs) -> Result<Value> {
    let mut made = Made::new(usize::from(args.features), usize::from(args.directions));
    let cases = (0..args.cases).map(|i| case(i, made.next())).collect();
    let model = ModelRef {
        name: "noise".into(),
        sha256: String::new(),
    };
    let index = Index::build(model, cases)?;
    let queries: Vec<Vec<f64>> = (0..args.repeats).map(|_| made.next()).collect();
    let exact = Searched::new(&index, &queries)?;
    let mut row = exact.row("exact cosine");
    row["cases"] = json!(args.cases);
    row["features"] = json!(args.features);
    row["directions"] = json!(args.directions.min(args.features));
    row["neighbours"] = json!(NEIGHBOURS);
    row["threads"] = json!(rayon::current_num_threads());
    if args.approximate {
        let start = Instant::now();
        let linked = index.linked()?;
        let seconds = start.elapsed().as_secs_f64();
        let near = Searched::new(&linked, &queries)?;
        let mut other = near.row("graph (HNSW), one thread");
        other["recall_at_10"] = json!(near.recall(&exact));
        other["build_s"] = json!(seconds);
        row["approximate"] = other;
    }
    Ok(row)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(approximate: bool) -> SimilarArgs {
        SimilarArgs {
            cases: 600,
            features: 24,
            directions: 4,
            repeats: 5,
            approximate,
        }
    }

    #[test]
    fn the_graph_is_timed_beside_the_exact_search() {
        let plain = run(&args(false)).unwrap();
        assert_eq!(plain["cases"], 600);
        assert!(plain.get("approximate").is_none());
        let both = run(&args(true)).unwrap();
        let recall = both["approximate"]["recall_at_10"].as_f64().unwrap();
        assert!(recall > 0.9 && recall <= 1.0, "{recall}");
        assert!(both["approximate"]["ms"].as_f64().unwrap() > 0.0);
    }

    #[test]
    fn made_up_vectors_vary_in_as_many_directions_as_asked_for() {
        let mut made = Made::new(6, 1);
        let (a, b) = (made.next(), made.next());
        let ratio = a[0] / b[0];
        assert!(a.iter().zip(&b).all(|(x, y)| (x / y - ratio).abs() < 1e-9));
        let mut all = Made::new(6, 6);
        let (a, b) = (all.next(), all.next());
        assert!((a[0] / b[0] - a[1] / b[1]).abs() > 1e-6);
    }
}
