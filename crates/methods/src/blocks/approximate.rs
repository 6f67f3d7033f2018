//! Approximate search among vectors of length one by a navigable graph (Malkov and Yashunin 2018, HNSW), for sets that exact search is too
//! slow for.
//!
//! The graph is `instant-distance`'s: its levels come from a seed, and it is built in a pool of one thread, for threads that insert at once
//! make another graph every time. So the same vectors and seed give the same graph and the same answers, on any number of threads.
//! It is made anew when it is needed and never read from a file: links out of a file could lead anywhere.

use super::vectors::{Vectors, closest, dot};
use crate::error::{MethodError, Result};
use instant_distance::{Builder, Heuristic, HnswMap, Point, Search};
use std::fmt;
use std::sync::Arc;

/// Candidates that are kept while a vector is put in.
const BUILD_BREADTH: usize = 100;

/// Links go to neighbours that lie apart from each other (the paper's algorithm 4). The crate's default fills up with those that do not,
/// which costs many times as long.
const SELECTION: Heuristic = Heuristic {
    extend_candidates: false,
    keep_pruned: false,
};

/// A vector where it stands among all, so that the graph holds no copy of them.
#[derive(Clone)]
struct Place {
    all: Arc<Vec<f32>>,
    at: usize,
    width: usize,
}

impl Place {
    fn row(&self) -> &[f32] {
        &self.all[self.at * self.width..][..self.width]
    }
}

impl Point for Place {
    fn distance(&self, other: &Self) -> f32 {
        1.0 - dot(self.row(), other.row())
    }
}

/// A graph over vectors.
pub struct Approximate {
    graph: HnswMap<Place, usize>,
    width: usize,
    breadth: usize,
}

impl fmt::Debug for Approximate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Approximate")
            .field("vectors", &self.graph.values.len())
            .field("breadth", &self.breadth)
            .finish()
    }
}

impl Approximate {
    /// Links all vectors; a search looks at its `breadth` best candidates: more find more and take longer.
    ///
    /// # Errors
    /// A breadth of 0; a thread that cannot be started.
    pub fn build(vectors: &Vectors, breadth: usize, seed: u64) -> Result<Self> {
        if breadth == 0 {
            return Err(MethodError::Config(
                "a search of a graph needs a candidate".to_owned(),
            ));
        }
        let all = vectors.shared();
        let place = |at| Place {
            all: Arc::clone(&all),
            at,
            width: vectors.width(),
        };
        let places = (0..vectors.len()).map(place).collect();
        let builder = Builder::default()
            .seed(seed)
            .ef_construction(BUILD_BREADTH)
            .select_heuristic(Some(SELECTION))
            .ef_search(breadth);
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(1)
            .build()
            .map_err(|e| MethodError::Config(format!("a thread for the graph: {e}")))?;
        let graph = pool.install(|| builder.build(places, (0..vectors.len()).collect()));
        Ok(Approximate {
            graph,
            width: vectors.width(),
            breadth,
        })
    }

    /// About the `k` most alike to `query`, of length one, among those that `keep` accepts, with their cosines, the most alike first; of equal
    /// ones the first. What is refused is not made up for beyond the breadth, so there may be fewer. Empty when the query has another width.
    pub fn nearest(
        &self,
        query: &[f32],
        k: usize,
        keep: impl Fn(usize) -> bool,
    ) -> Vec<(usize, f32)> {
        if query.len() != self.width {
            return Vec::new();
        }
        let asked = Place {
            all: Arc::new(query.to_vec()),
            at: 0,
            width: self.width,
        };
        let mut search = Search::default();
        let found = self.graph.search(&asked, &mut search);
        let mut candidates: Vec<(usize, f32)> = found
            .map(|item| (*item.value, dot(query, item.point.row())))
            .collect();
        // In the order of the vectors, as exact search goes through them.
        candidates.sort_by_key(|(at, _)| *at);
        closest(candidates.into_iter(), k, keep)
    }
}

/// Share of the `k` exact neighbours that the graph finds, mean over the queries; `None` without queries or neighbours.
pub fn recall<'a>(
    vectors: &Vectors,
    graph: &Approximate,
    queries: impl Iterator<Item = &'a [f32]>,
    k: usize,
) -> Option<f64> {
    let (mut found, mut wanted) = (0usize, 0usize);
    for query in queries {
        let exact = vectors.nearest(query, k, |_| true);
        let near = graph.nearest(query, k, |_| true);
        let is_found = |(at, _): &&(usize, f32)| near.iter().any(|(other, _)| other == at);
        found += exact.iter().filter(is_found).count();
        wanted += exact.len();
    }
    (wanted > 0).then(|| found as f64 / wanted as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    /// Vectors that vary in four directions, as embeddings vary in fewer than they have values.
    fn vectors(n: usize, width: usize, seed: u64) -> Vectors {
        let mut rng = ChaCha8Rng::seed_from_u64(7);
        let mut draw =
            |n: usize| -> Vec<f64> { (0..n).map(|_| rng.random_range(-1.0..1.0)).collect() };
        let directions: Vec<Vec<f64>> = (0..4).map(|_| draw(width)).collect();
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut out = Vectors::new(width);
        for _ in 0..n {
            let weights: Vec<f64> = (0..4).map(|_| rng.random_range(-1.0..1.0)).collect();
            let value = |c: usize| directions.iter().zip(&weights).map(|(d, w)| d[c] * w).sum();
            assert!(out.push(&(0..width).map(value).collect::<Vec<f64>>()));
        }
        out
    }

    #[test]
    fn most_of_the_nearest_are_found_and_of_equal_ones_the_first() {
        let all = vectors(600, 19, 1);
        let asked = vectors(40, 19, 2);
        let graph = Approximate::build(&all, 64, 3).unwrap();
        let queries = || (0..asked.len()).map(|at| asked.row(at));
        let share = recall(&all, &graph, queries(), 10).unwrap();
        assert!(share > 0.95, "{share}");
        assert_eq!(recall(&all, &graph, std::iter::empty(), 10), None);
        let query = all.row(17).to_vec();
        let found = graph.nearest(&query, 3, |at| at != 17);
        assert!(found.len() == 3 && found.iter().all(|(at, _)| *at != 17));
        assert!(found.windows(2).all(|w| w[0].1 >= w[1].1));
        assert!(graph.nearest(&query[..18], 3, |_| true).is_empty());
        let mut twins = Vectors::new(2);
        (0..5).for_each(|_| assert!(twins.push(&[1.0, 0.0])));
        let graph = Approximate::build(&twins, 8, 1).unwrap();
        let found = graph.nearest(&[1.0, 0.0], 3, |_| true);
        assert_eq!(found, [(0, 1.0), (1, 1.0), (2, 1.0)]);
    }

    #[test]
    fn the_same_seed_gives_the_same_answers_on_any_number_of_threads() {
        let noise = |n: usize, seed: u64| {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let mut out = Vectors::new(24);
            for _ in 0..n {
                let row: Vec<f64> = (0..24).map(|_| rng.random_range(-1.0..1.0)).collect();
                assert!(out.push(&row));
            }
            out
        };
        let (all, asked) = (noise(500, 1), noise(40, 5));
        // One candidate among vectors without structure: graphs that differ answer differently.
        let answers = |threads: usize, seed: u64| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
            pool.build().unwrap().install(|| {
                let graph = Approximate::build(&all, 1, seed).unwrap();
                let ask = |at| graph.nearest(asked.row(at), 1, |_| true);
                (0..asked.len()).map(ask).collect::<Vec<_>>()
            })
        };
        let first = answers(1, 9);
        assert_eq!(answers(4, 9), first);
        assert_eq!(answers(2, 9), first);
        assert_ne!(answers(1, 10), first);
    }

    #[test]
    fn nothing_to_search_and_no_candidates() {
        let none = Vectors::new(3);
        let graph = Approximate::build(&none, 4, 1).unwrap();
        assert!(graph.nearest(&[1.0, 0.0, 0.0], 2, |_| true).is_empty());
        assert!(Approximate::build(&none, 0, 1).is_err());
    }
}
