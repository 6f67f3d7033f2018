//! Scaled dot-product attention (Vaswani et al. 2017, section 3.2) and its gradient, from place to place or from channel to channel.
//! Probabilities are not kept: the backward pass computes them again, so memory grows with the places and not with their square.

use rayon::prelude::*;

use crate::ops::layout;
use crate::parallel::for_planes;
use crate::simd::multiversion;
use crate::view::{LANES, View, ViewMut};

/// Which places may be attended to: those where a channel of the graph's input is not zero.
#[derive(Debug, Clone, Copy)]
pub struct Mask<'a> {
    /// The graph's input.
    pub view: View<'a>,
    /// The channel.
    pub channel: usize,
}

impl Mask<'_> {
    fn allowed(&self, n: usize) -> Vec<bool> {
        let plane = self.view.plane(n, self.channel / LANES);
        plane
            .iter()
            .skip(self.channel % LANES)
            .step_by(LANES)
            .map(|&v| v != 0.0)
            .collect()
    }
}

/// What attends to what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Across {
    /// Places; a head's channels at a place are its vector.
    Places,
    /// Channels of a head; a channel's values at all places are its vector.
    Channels,
}

/// What goes in.
#[derive(Debug, Clone, Copy)]
pub struct Inputs<'a> {
    /// Queries.
    pub q: View<'a>,
    /// Keys.
    pub k: View<'a>,
    /// Values.
    pub v: View<'a>,
    /// Keys that count.
    pub mask: Option<Mask<'a>>,
    /// Heads of the queries.
    pub heads: usize,
    /// Later keys do not count.
    pub causal: bool,
    /// Places or channels; over channels there are no masks, and all inputs are of one shape.
    pub across: Across,
}

/// Extents of one head.
#[derive(Debug, Clone, Copy)]
struct Head {
    queries: usize,
    keys: usize,
    width: usize,
    causal: bool,
}

impl Inputs<'_> {
    /// Channels of a head.
    fn channels(&self) -> usize {
        self.q.dims.c / self.heads
    }

    fn head(&self) -> Head {
        let channels = self.channels();
        let (queries, keys, width) = match self.across {
            Across::Places => (self.q.dims.pixels(), self.k.dims.pixels(), channels),
            Across::Channels => (channels, channels, self.q.dims.pixels()),
        };
        Head {
            queries,
            keys,
            width,
            causal: self.causal,
        }
    }

    fn key_heads(&self) -> usize {
        self.k.dims.c / self.channels()
    }

    fn allowed(&self, n: usize) -> Vec<bool> {
        match &self.mask {
            Some(mask) => mask.allowed(n),
            None => vec![true; self.head().keys],
        }
    }

    /// Vectors of one head of `x`, one after the other.
    fn vectors(&self, x: View, n: usize, head: usize) -> Vec<f32> {
        let count = self.channels();
        match self.across {
            Across::Places => gather(x, n, head * count, count),
            Across::Channels => gather_channels(x, n, head * count, count),
        }
    }

    /// The same, transposed.
    fn transposed(&self, x: View, n: usize, head: usize) -> Vec<f32> {
        let count = self.channels();
        match self.across {
            Across::Places => gather_channels(x, n, head * count, count),
            Across::Channels => gather(x, n, head * count, count),
        }
    }
}

/// Channels `first..first + count` of one image, place after place.
fn gather(x: View, n: usize, first: usize, count: usize) -> Vec<f32> {
    let pixels = x.dims.pixels();
    let mut out = vec![0.0; pixels * count];
    for (at, channel) in (first..first + count).enumerate() {
        let plane = x.plane(n, channel / LANES);
        for p in 0..pixels {
            out[p * count + at] = plane[p * LANES + channel % LANES];
        }
    }
    out
}

/// The same, channel after channel.
fn gather_channels(x: View, n: usize, first: usize, count: usize) -> Vec<f32> {
    let mut out = Vec::with_capacity(x.dims.pixels() * count);
    for channel in first..first + count {
        let plane = x.plane(n, channel / LANES);
        out.extend(plane.iter().skip(channel % LANES).step_by(LANES));
    }
    out
}

/// From the vectors of all heads of all images to blocks.
fn scatter(heads: &[f32], width: usize, across: Across, out: ViewMut) {
    if across == Across::Channels {
        // Vectors of channels are planes already.
        return layout::to_blocked(heads, out);
    }
    let dims = out.dims;
    let (pixels, count) = (dims.pixels(), dims.c / width);
    for_planes(out, |piece, chunk| {
        chunk.fill(0.0);
        for l in 0..dims.lanes(piece.b) {
            let channel = piece.b * LANES + l;
            let (head, within) = (channel / width, channel % width);
            let first = ((piece.n * count + head) * pixels + piece.first) * width + within;
            for (i, pixel) in chunk.chunks_exact_mut(LANES).enumerate() {
                pixel[l] = heads[first + i * width];
            }
        }
    });
}

/// Attention; a place whose every key is masked gives zeros.
pub fn forward(x: &Inputs, out: ViewMut) {
    let head = x.head();
    let (size, group) = (head.queries * head.width, x.heads / x.key_heads());
    let mut heads = vec![0.0f32; x.q.dims.n * x.heads * size];
    heads
        .par_chunks_mut(size)
        .enumerate()
        .for_each(|(task, out)| {
            let (n, h) = (task / x.heads, task % x.heads);
            attend(
                head,
                &x.vectors(x.q, n, h),
                &x.transposed(x.k, n, h / group),
                &x.vectors(x.v, n, h / group),
                &x.allowed(n),
                out,
            );
        });
    scatter(&heads, head.width, x.across, out);
}

multiversion! {
    fn attend(head: Head, q: &[f32], k: &[f32], v: &[f32], allowed: &[bool], out: &mut [f32]) {
        let mut row = vec![0.0f32; head.keys];
        for i in 0..head.queries {
            probabilities(head, i, &q[i * head.width..][..head.width], k, allowed, &mut row);
            let sums = &mut out[i * head.width..][..head.width];
            for (j, &p) in row.iter().enumerate() {
                add_scaled(p, &v[j * head.width..][..head.width], sums);
            }
        }
    }
}

#[inline(always)]
fn add_scaled(factor: f32, x: &[f32], sums: &mut [f32]) {
    for (s, x) in sums.iter_mut().zip(x) {
        *s += factor * x;
    }
}

/// `row[j] = softmax over j of q · k_j / sqrt(width)` for query `i`; `k` holds the vectors transposed.
#[inline(always)]
fn probabilities(head: Head, i: usize, q: &[f32], k: &[f32], allowed: &[bool], row: &mut [f32]) {
    products(q, k, row);
    let scale = 1.0 / (head.width as f32).sqrt();
    let mut most = f32::NEG_INFINITY;
    for (j, v) in row.iter_mut().enumerate() {
        let seen = allowed[j] && !(head.causal && j > i);
        *v = if seen { *v * scale } else { f32::NEG_INFINITY };
        // Not `max`: NaN must stay NaN.
        most = if *v > most || v.is_nan() { *v } else { most };
    }
    if most == f32::NEG_INFINITY {
        return row.fill(0.0);
    }
    let mut sum = 0.0;
    for v in row.iter_mut() {
        *v = (*v - most).exp();
        sum += *v;
    }
    row.iter_mut().for_each(|v| *v /= sum);
}

/// `row[j] = sum over c of x[c] * y[c][j]`.
#[inline(always)]
fn products(x: &[f32], y: &[f32], row: &mut [f32]) {
    row.fill(0.0);
    for (x, y) in x.iter().zip(y.chunks_exact(row.len())) {
        add_scaled(*x, y, row);
    }
}

/// Gradients of queries, keys and values, each `[image][head][query or key][width]`.
#[derive(Debug)]
pub struct Backward {
    q: Vec<f32>,
    k: Vec<f32>,
    v: Vec<f32>,
    width: usize,
    across: Across,
}

impl Backward {
    /// Through the attention of `x`, given its output's gradient.
    pub fn new(x: &Inputs, dy: View) -> Self {
        let (head, key_heads) = (x.head(), x.key_heads());
        let group = x.heads / key_heads;
        let (of_q, of_k) = (head.queries * head.width, head.keys * head.width);
        let tasks = x.q.dims.n * key_heads;
        let mut out = Backward {
            q: vec![0.0; tasks * group * of_q],
            k: vec![0.0; tasks * of_k],
            v: vec![0.0; tasks * of_k],
            width: head.width,
            across: x.across,
        };
        out.q
            .par_chunks_mut(group * of_q)
            .zip(out.k.par_chunks_mut(of_k))
            .zip(out.v.par_chunks_mut(of_k))
            .enumerate()
            .for_each(|(task, ((dq, dk), dv))| {
                let (n, shared) = (task / key_heads, task % key_heads);
                let given = Given {
                    keys: x.vectors(x.k, n, shared),
                    keys_transposed: x.transposed(x.k, n, shared),
                    values_transposed: x.transposed(x.v, n, shared),
                    allowed: x.allowed(n),
                };
                for (g, dq) in dq.chunks_exact_mut(of_q).enumerate() {
                    let q = x.vectors(x.q, n, shared * group + g);
                    let d = x.vectors(dy, n, shared * group + g);
                    go_back(head, &given, &q, &d, dq, dk, dv);
                }
            });
        out
    }

    /// Gradient of the queries.
    pub fn queries(&self, dx: ViewMut) {
        scatter(&self.q, self.width, self.across, dx);
    }

    /// Gradient of the keys.
    pub fn keys(&self, dx: ViewMut) {
        scatter(&self.k, self.width, self.across, dx);
    }

    /// Gradient of the values.
    pub fn values(&self, dx: ViewMut) {
        scatter(&self.v, self.width, self.across, dx);
    }
}

/// Keys and values of one head.
struct Given {
    keys: Vec<f32>,
    keys_transposed: Vec<f32>,
    values_transposed: Vec<f32>,
    allowed: Vec<bool>,
}

multiversion! {
    fn go_back(head: Head, given: &Given, q: &[f32], dy: &[f32], dq: &mut [f32], dk: &mut [f32], dv: &mut [f32]) {
        let width = head.width;
        let scale = 1.0 / (width as f32).sqrt();
        let (mut row, mut d_row) = (vec![0.0f32; head.keys], vec![0.0f32; head.keys]);
        for i in 0..head.queries {
            let (q, dy) = (&q[i * width..][..width], &dy[i * width..][..width]);
            probabilities(head, i, q, &given.keys_transposed, &given.allowed, &mut row);
            products(dy, &given.values_transposed, &mut d_row);
            let mean: f32 = row.iter().zip(&d_row).map(|(p, d)| p * d).sum();
            let sums = &mut dq[i * width..][..width];
            for j in 0..head.keys {
                let ds = row[j] * (d_row[j] - mean) * scale;
                add_scaled(ds, &given.keys[j * width..][..width], sums);
                add_scaled(ds, q, &mut dk[j * width..][..width]);
                add_scaled(row[j], dy, &mut dv[j * width..][..width]);
            }
        }
    }
}
