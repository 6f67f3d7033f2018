//! Layers along the slices of volumes: each against the naive interpreter, and the 3-D convolutions that they make up
//! against the definition over three axes.
#![allow(clippy::unwrap_used)]

mod common;

use common::check::{check, one_layer};
use common::{Builder, Rng, assert_close};
use hilum_kernels::{
    Graph, KernelError, Mode, Op, Params, Plan, SlicePooling, SliceWindow, Tensor, Trainer, Wanted,
};

fn window(slices: usize, taps: usize, stride: usize, padding: usize) -> SliceWindow {
    SliceWindow {
        slices,
        taps,
        stride,
        padding,
    }
}

#[test]
fn every_layer_forward_and_backward() {
    let mut rng = Rng(11);
    for (volumes, channels, w) in [
        (1, 1, window(5, 3, 1, 1)),
        (2, 16, window(6, 3, 1, 1)),
        (3, 20, window(7, 2, 2, 0)),
        (2, 33, window(4, 4, 3, 2)),
        (33, 3, window(3, 1, 1, 0)),
    ] {
        let ops = [
            Op::GatherSlices { window: w },
            Op::SpreadSlices {
                window: SliceWindow {
                    padding: w.padding.min(w.taps / 2),
                    ..w
                },
            },
            Op::PoolSlices {
                window: SliceWindow {
                    padding: 0,
                    taps: w.taps.min(w.slices),
                    ..w
                },
                kind: SlicePooling::Max,
            },
            Op::PoolSlices {
                window: SliceWindow {
                    padding: 0,
                    taps: w.taps.min(w.slices),
                    ..w
                },
                kind: SlicePooling::Mean,
            },
            Op::ResizeSlices {
                slices: w.slices,
                to: w.slices * 2 + 1,
                align_corners: true,
            },
            Op::ResizeSlices {
                slices: w.slices,
                to: w.slices.div_ceil(2),
                align_corners: false,
            },
        ];
        for op in ops {
            let c = match op {
                Op::SpreadSlices { window } => channels * window.taps,
                _ => channels,
            };
            let x = rng.tensor(&[volumes * w.slices, c, 3, 5]);
            let what = format!("{op:?} of {volumes} volumes, {c} channels");
            check(&what, &one_layer(c, op), &x, &mut rng, false);
        }
    }
}

/// Gathered slices before a convolution, with batch norm, pooling in three axes and a mean over the volume behind it.
#[test]
fn a_small_volume_network() {
    let mut rng = Rng(5);
    for train in [false, true] {
        let mut b = Builder::new(2);
        let x = b.push(
            Op::GatherSlices {
                window: window(6, 3, 1, 1),
            },
            &[0],
        );
        let x = b.conv(x, [6, 20], [3, 3], [1, 1], [1, 1], [1, 1], 1, false);
        let x = b.bn(x, 20);
        let x = b.push(Op::Relu, &[x]);
        let x = b.push(
            Op::MaxPool2d {
                kernel: [2, 2],
                stride: [2, 2],
                padding: [0, 0],
                ceil: false,
            },
            &[x],
        );
        let x = b.push(
            Op::PoolSlices {
                window: window(6, 2, 2, 0),
                kind: SlicePooling::Max,
            },
            &[x],
        );
        let x = b.push(Op::GlobalAvgPool, &[x]);
        let x = b.push(
            Op::PoolSlices {
                window: window(3, 3, 1, 0),
                kind: SlicePooling::Mean,
            },
            &[x],
        );
        let x = b.push(Op::Flatten, &[x]);
        let x = b.linear(x, [20, 3]);
        b.output(x);
        let image = rng.tensor(&[12, 2, 6, 8]);
        check("volume network", &b, &image, &mut rng, train);
    }
}

/// Extents and settings of a 3-D convolution, the slices first.
struct Conv3 {
    from: usize,
    to: usize,
    kernel: [usize; 3],
    stride: [usize; 3],
    padding: [usize; 3],
}

/// The definition over `[v, c, s, h, w]`, in double precision; `weight` is `[to, from, kd, kh, kw]`.
fn conv3(x: &Tensor, slices: usize, weight: &[f32], c: &Conv3) -> (usize, Vec<f64>) {
    let (volumes, extent) = (x.shape[0] / slices, [slices, x.shape[2], x.shape[3]]);
    let out: Vec<usize> = (0..3)
        .map(|a| (extent[a] + 2 * c.padding[a] - c.kernel[a]) / c.stride[a] + 1)
        .collect();
    let at = |v: usize, ch: usize, p: [isize; 3]| {
        if (0..3).any(|a| p[a] < 0 || p[a] as usize >= extent[a]) {
            return 0.0;
        }
        let [s, y, xx] = p.map(|i| i as usize);
        f64::from(x.data[(((v * slices + s) * c.from + ch) * extent[1] + y) * extent[2] + xx])
    };
    let mut values = Vec::new();
    for (v, s) in (0..volumes).flat_map(|v| (0..out[0]).map(move |s| (v, s))) {
        for (o, y, xx) in (0..c.to * out[1] * out[2])
            .map(|i| (i / (out[1] * out[2]), i / out[2] % out[1], i % out[2]))
        {
            let mut sum = 0.0;
            for k in 0..c.from * c.kernel.iter().product::<usize>() {
                let (kx, rest) = (k % c.kernel[2], k / c.kernel[2]);
                let (ky, rest) = (rest % c.kernel[1], rest / c.kernel[1]);
                let (kd, ch) = (rest % c.kernel[0], rest / c.kernel[0]);
                let place = [(s, kd), (y, ky), (xx, kx)];
                let p = std::array::from_fn(|a| {
                    (place[a].0 * c.stride[a] + place[a].1) as isize - c.padding[a] as isize
                });
                let w = weight[o * c.from * c.kernel.iter().product::<usize>() + k];
                sum += f64::from(w) * at(v, ch, p);
            }
            values.push(sum);
        }
    }
    (out[0], values)
}

/// `[to, from, kd, kh, kw]` to the `[to, kd from, kh, kw]` of gathered channels.
fn gathered(weight: &[f32], c: &Conv3) -> Vec<f32> {
    let (taps, kd) = (c.kernel[1] * c.kernel[2], c.kernel[0]);
    let mut out = Vec::with_capacity(weight.len());
    for o in 0..c.to {
        for (d, ch) in (0..kd).flat_map(|d| (0..c.from).map(move |ch| (d, ch))) {
            out.extend_from_slice(&weight[((o * c.from + ch) * kd + d) * taps..][..taps]);
        }
    }
    out
}

#[test]
fn gathered_slices_and_a_convolution_are_a_3d_convolution() {
    let mut rng = Rng(3);
    for (volumes, slices, c) in [
        (
            2,
            5,
            Conv3 {
                from: 3,
                to: 8,
                kernel: [3, 3, 3],
                stride: [1, 1, 1],
                padding: [1, 1, 1],
            },
        ),
        (
            1,
            7,
            Conv3 {
                from: 16,
                to: 17,
                kernel: [3, 3, 3],
                stride: [2, 2, 2],
                padding: [1, 1, 1],
            },
        ),
        (
            2,
            4,
            Conv3 {
                from: 1,
                to: 2,
                kernel: [2, 3, 1],
                stride: [2, 1, 1],
                padding: [0, 1, 0],
            },
        ),
    ] {
        let mut b = Builder::new(c.from);
        let window = window(slices, c.kernel[0], c.stride[0], c.padding[0]);
        let x = b.push(Op::GatherSlices { window }, &[0]);
        let [kernel, stride, padding] = [c.kernel, c.stride, c.padding].map(|a| [a[1], a[2]]);
        let from = c.from * c.kernel[0];
        let x = b.conv(x, [from, c.to], kernel, stride, padding, [1, 1], 1, false);
        b.output(x);
        let weight = rng
            .tensor(&[c.to, c.from, c.kernel[0], kernel[0], kernel[1]])
            .data;
        let image = rng.tensor(&[volumes * slices, c.from, 6, 9]);
        let params = vec![gathered(&weight, &c)];
        let got = Plan::new(&b.graph, &params).unwrap().run(&image).unwrap();
        let (out, expected) = conv3(&image, slices, &weight, &c);
        assert_eq!(got[0].shape[..2], [volumes * out, c.to]);
        assert_close("3-D convolution", &got[0].data, &expected, 2e-5);
    }
}

/// `<conv3(x), y> = <x, transposed(y)>`: the transposed 3-D convolution is the adjoint of the convolution.
#[test]
fn a_transposed_convolution_and_spread_slices_are_the_adjoint() {
    let mut rng = Rng(9);
    for stride in [2, 1] {
        let (slices, from, to) = (6, 5, 7);
        let c = Conv3 {
            from,
            to,
            kernel: [2, 2, 2],
            stride: [stride; 3],
            padding: [0; 3],
        };
        let x = rng.tensor(&[slices, from, 8, 6]);
        let weight = rng.tensor(&[to, from, 2, 2, 2]).data;
        let (out, y) = conv3(&x, slices, &weight, &c);
        let sides = [(8 - 2) / stride + 1, (6 - 2) / stride + 1];
        let z = rng.tensor(&[out, to, sides[0], sides[1]]);
        let mut b = Builder::new(to);
        let up = b.conv_transpose(0, [to, 2 * from], [2, 2], [stride; 2], [0, 0], [0, 0]);
        let up = b.push(
            Op::SpreadSlices {
                window: window(out, 2, stride, 0),
            },
            &[up],
        );
        b.output(up);
        let params = vec![gathered(&weight, &c), vec![0.0; 2 * from]];
        let back = Plan::new(&b.graph, &params).unwrap().run(&z).unwrap();
        assert_eq!(back[0].shape, x.shape);
        let left: f64 = y.iter().zip(&z.data).map(|(a, &b)| a * f64::from(b)).sum();
        let right: f64 = back[0]
            .data
            .iter()
            .zip(&x.data)
            .map(|(&a, &b)| f64::from(a) * f64::from(b))
            .sum();
        assert!(
            (left - right).abs() < 1e-4 * left.abs().max(1.0),
            "{left} {right}"
        );
    }
}

fn run(graph: &Graph, params: &Params, x: &Tensor, threads: usize) -> (Vec<Tensor>, Vec<f32>) {
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .unwrap();
    pool.install(|| {
        let mut trainer = Trainer::new(graph.clone()).unwrap();
        let mut params = params.clone();
        let out = trainer
            .forward(&mut params, x, Mode::Train { seed: 1 })
            .unwrap();
        let grads = trainer.backward(&params, &out, Wanted::params()).unwrap();
        (out, grads.params[0].clone().unwrap())
    })
}

#[test]
fn the_same_for_every_number_of_threads() {
    let mut rng = Rng(2);
    let mut b = Builder::new(20);
    let x = b.push(
        Op::GatherSlices {
            window: window(8, 3, 1, 1),
        },
        &[0],
    );
    let x = b.conv(x, [60, 24], [3, 3], [1, 1], [1, 1], [1, 1], 1, false);
    let x = b.push(
        Op::PoolSlices {
            window: window(8, 2, 2, 0),
            kind: SlicePooling::Max,
        },
        &[x],
    );
    b.output(x);
    let params = b.params(&mut rng);
    let image = rng.tensor(&[16, 20, 24, 24]);
    assert_eq!(
        run(&b.graph, &params, &image, 1),
        run(&b.graph, &params, &image, 3)
    );
}

#[test]
fn what_does_not_fit_is_an_error() {
    let shapes = |op: Op, input: [usize; 4]| one_layer(input[1], op).graph.shapes(input);
    let gather = |w| Op::GatherSlices { window: w };
    assert!(matches!(
        shapes(gather(window(4, 3, 1, 1)), [6, 1, 2, 2]),
        Err(KernelError::Slices {
            images: 6,
            slices: 4,
            ..
        })
    ));
    assert!(matches!(
        shapes(gather(window(0, 3, 1, 1)), [6, 1, 2, 2]),
        Err(KernelError::Slices { .. })
    ));
    for w in [window(3, 0, 1, 1), window(3, 9, 1, 1), window(3, 3, 0, 1)] {
        assert!(matches!(
            shapes(gather(w), [6, 1, 2, 2]),
            Err(KernelError::Setting { .. })
        ));
    }
    let spread = |w| Op::SpreadSlices { window: w };
    for w in [window(3, 2, 1, 0), window(3, 3, 1, 9), window(3, 3, 0, 0)] {
        assert!(matches!(
            shapes(spread(w), [6, 9, 2, 2]),
            Err(KernelError::Setting { .. })
        ));
    }
    let pool = Op::PoolSlices {
        window: window(3, 2, 1, 1),
        kind: SlicePooling::Mean,
    };
    assert!(matches!(
        shapes(pool, [6, 9, 2, 2]),
        Err(KernelError::Setting { .. })
    ));
    let none = Op::ResizeSlices {
        slices: 3,
        to: 0,
        align_corners: true,
    };
    assert!(matches!(
        shapes(none, [6, 9, 2, 2]),
        Err(KernelError::Setting { .. })
    ));
    let vast = Op::ResizeSlices {
        slices: 1,
        to: usize::MAX / 2,
        align_corners: true,
    };
    assert!(matches!(
        shapes(vast, [6, 9, 2, 2]),
        Err(KernelError::Overflow { .. })
    ));
}
