//! Films as vectors, and the search among those of the training split.

use super::films::{Domain, Films};
use crate::blocks::approximate::{Approximate, recall};
use crate::blocks::features::Encoder;
use crate::blocks::short::outputs;
use crate::blocks::vectors::{Vectors, unit, vote};
use crate::error::{MethodError, Result};
use hilum_data::Split;
use hilum_kernels::{Graph, Params};
use hilum_nn::Network;

/// A film among its neighbours: places in the list of films, with cosines, the most alike first.
pub type Near = Vec<(usize, f32)>;

/// Vectors of length one of some films; those of the training split can be searched.
pub struct Space<'a> {
    films: &'a Films,
    /// By film; empty where it has no vector.
    rows: Vec<Vec<f32>>,
    index: Vectors,
    /// The film behind each vector of the index.
    indexed: Vec<usize>,
}

impl<'a> Space<'a> {
    /// The vectors that an image tower gives the films at `at`.
    ///
    /// # Errors
    /// What the kernels fail with; a film without a direction.
    pub fn of_tower(
        films: &'a Films,
        at: &[usize],
        (graph, params): (&Graph, &Params),
    ) -> Result<Self> {
        Self::new(films, at, outputs(graph, params, &films.set(at), 0)?)
    }

    /// The pooled features of an encoder.
    ///
    /// # Errors
    /// As [`Space::of_tower`].
    pub fn of_features(
        films: &'a Films,
        at: &[usize],
        network: &Network,
        params: Params,
    ) -> Result<Self> {
        let set = films.set(at);
        let pictures: Vec<&[f32]> = set.x.iter().map(Vec::as_slice).collect();
        let rows = Encoder::new(network, params)?.features(&pictures, set.side)?;
        Self::new(films, at, rows)
    }

    fn new(films: &'a Films, at: &[usize], vectors: Vec<Vec<f32>>) -> Result<Self> {
        let width = vectors.first().map_or(0, Vec::len);
        let mut space = Space {
            films,
            rows: vec![Vec::new(); films.all.len()],
            index: Vectors::new(width),
            indexed: Vec::new(),
        };
        for (&film, vector) in at.iter().zip(vectors) {
            let wide: Vec<f64> = vector.iter().map(|v| f64::from(*v)).collect();
            let known = &films.all[film];
            space.rows[film] = unit(&wide).ok_or_else(|| {
                MethodError::Config(format!("the vector of {} has no direction", known.id))
            })?;
            if known.split == Split::Train && space.index.push(&wide) {
                space.indexed.push(film);
            }
        }
        Ok(space)
    }

    /// The vector of a film.
    pub fn row(&self, film: usize) -> &[f32] {
        &self.rows[film]
    }

    /// The `k` nearest training films, of one domain where it is given.
    pub fn near(&self, film: usize, k: usize, domain: Option<Domain>) -> Near {
        let fits = |at: usize| domain.is_none_or(|d| self.films.all[self.indexed[at]].domain == d);
        let found = self.index.nearest(&self.rows[film], k, fits);
        let named = found.into_iter();
        named
            .map(|(at, cosine)| (self.indexed[at], cosine))
            .collect()
    }

    /// Share of the ten nearest training films that an approximate search finds for the films at `at`.
    ///
    /// # Errors
    /// What the graph cannot be built with.
    pub fn recall(&self, at: &[usize], breadth: usize, seed: u64) -> Result<Option<f64>> {
        let graph = Approximate::build(&self.index, breadth, seed)?;
        let queries = at.iter().map(|&film| self.rows[film].as_slice());
        Ok(recall(&self.index, &graph, queries, 10))
    }

    /// Mean of a value of the neighbours, weighted by their cosines.
    ///
    /// # Errors
    /// No neighbour with a cosine above 0.
    pub fn voted(&self, near: &[(usize, f32)], value: impl Fn(usize) -> f64) -> Result<f64> {
        vote(near, value)
            .ok_or_else(|| MethodError::Config("no known film is like one that is asked".into()))
    }

    /// Votes for each finding of adults' films, the last for any, by the `k` first of each film's neighbours.
    ///
    /// # Errors
    /// As [`Space::voted`].
    pub fn votes(&self, near: &[Near], k: usize) -> Result<Vec<Vec<f32>>> {
        let columns = super::films::findings().len() + 1;
        let one = |near: &Near| -> Result<Vec<f32>> {
            let first = &near[..k.min(near.len())];
            (0..columns)
                .map(|column| {
                    let value = |film: usize| f64::from(u8::from(self.films.truth(film)[column]));
                    Ok(self.voted(first, value)? as f32)
                })
                .collect()
        };
        near.iter().map(one).collect()
    }
}
