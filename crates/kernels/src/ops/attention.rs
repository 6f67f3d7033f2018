//! Scaled dot-product attention (Vaswani et al. 2017, section 3.2) and its gradient. Probabilities are not kept:
//! the backward pass computes them again, so memory grows with the places and not with their square.

use rayon::prelude::*;

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
    fn head(&self) -> Head {
        Head {
            queries: self.q.dims.pixels(),
            keys: self.k.dims.pixels(),
            width: self.q.dims.c / self.heads,
            causal: self.causal,
        }
    }

    fn key_heads(&self) -> usize {
        self.k.dims.c / self.head().width
    }

    fn allowed(&self, n: usize) -> Vec<bool> {
        match &self.mask {
            Some(mask) => mask.allowed(n),
            None => vec![true; self.k.dims.pixels()],
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

/// From `[image][head][place][width]` to blocks.
fn scatter(heads: &[f32], width: usize, out: ViewMut) {
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
            let shared = h / group * head.width;
            attend(
                head,
                &gather(x.q, n, h * head.width, head.width),
                &gather_channels(x.k, n, shared, head.width),
                &gather(x.v, n, shared, head.width),
                &x.allowed(n),
                out,
            );
        });
    scatter(&heads, head.width, out);
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

/// `row[j] = softmax over j of q · k_j / sqrt(width)` for query `i`; `k` is channel after channel.
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

/// Gradients of queries, keys and values, each `[image][head][place][width]`.
#[derive(Debug)]
pub struct Backward {
    q: Vec<f32>,
    k: Vec<f32>,
    v: Vec<f32>,
    width: usize,
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
        };
        out.q
            .par_chunks_mut(group * of_q)
            .zip(out.k.par_chunks_mut(of_k))
            .zip(out.v.par_chunks_mut(of_k))
            .enumerate()
            .for_each(|(task, ((dq, dk), dv))| {
                let (n, shared) = (task / key_heads, task % key_heads);
                let first = shared * head.width;
                let given = Given {
                    keys: gather(x.k, n, first, head.width),
                    key_channels: gather_channels(x.k, n, first, head.width),
                    value_channels: gather_channels(x.v, n, first, head.width),
                    allowed: x.allowed(n),
                };
                for (g, dq) in dq.chunks_exact_mut(of_q).enumerate() {
                    let channel = (shared * group + g) * head.width;
                    let q = gather(x.q, n, channel, head.width);
                    let d = gather(dy, n, channel, head.width);
                    go_back(head, &given, &q, &d, dq, dk, dv);
                }
            });
        out
    }

    /// Gradient of the queries.
    pub fn queries(&self, dx: ViewMut) {
        scatter(&self.q, self.width, dx);
    }

    /// Gradient of the keys.
    pub fn keys(&self, dx: ViewMut) {
        scatter(&self.k, self.width, dx);
    }

    /// Gradient of the values.
    pub fn values(&self, dx: ViewMut) {
        scatter(&self.v, self.width, dx);
    }
}

/// Keys and values of one head.
struct Given {
    keys: Vec<f32>,
    key_channels: Vec<f32>,
    value_channels: Vec<f32>,
    allowed: Vec<bool>,
}

multiversion! {
    fn go_back(head: Head, given: &Given, q: &[f32], dy: &[f32], dq: &mut [f32], dk: &mut [f32], dv: &mut [f32]) {
        let width = head.width;
        let scale = 1.0 / (width as f32).sqrt();
        let (mut row, mut d_row) = (vec![0.0f32; head.keys], vec![0.0f32; head.keys]);
        for i in 0..head.queries {
            let (q, dy) = (&q[i * width..][..width], &dy[i * width..][..width]);
            probabilities(head, i, q, &given.key_channels, &given.allowed, &mut row);
            products(dy, &given.value_channels, &mut d_row);
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
