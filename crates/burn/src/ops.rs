//! Layers that the framework lacks or has only for some devices, out of such as it has everywhere.

use burn::tensor::{Device, Tensor, TensorData};
use rand::Rng;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// Matrix `[to, from]` of linear interpolation along one axis, PyTorch's conventions.
pub fn resize_matrix(from: usize, to: usize, align_corners: bool) -> Vec<f32> {
    let mut matrix = vec![0.0f32; to * from];
    for (row, line) in matrix.chunks_exact_mut(from).enumerate() {
        let at = if align_corners {
            row as f64 * (from.saturating_sub(1)) as f64 / (to.saturating_sub(1)).max(1) as f64
        } else {
            ((row as f64 + 0.5) * from as f64 / to as f64 - 0.5).max(0.0)
        };
        let low = (at as usize).min(from - 1);
        let high = (low + 1).min(from - 1);
        let share = (at - low as f64) as f32;
        line[low] += 1.0 - share;
        line[high] += share;
    }
    matrix
}

/// Bilinear resize as two products by constant matrices: their gradient is there on every device.
pub fn bilinear(x: Tensor<4>, to: [usize; 2], align_corners: bool) -> Tensor<4> {
    let [n, c, h, w] = x.dims();
    let device = x.device();
    let matrix = |from: usize, to: usize| {
        let data = TensorData::new(resize_matrix(from, to, align_corners), [to, from]);
        Tensor::<2>::from_data(data, &device)
    };
    let rows = matrix(h, to[0]).unsqueeze::<3>().expand([n * c, to[0], h]);
    let columns = matrix(w, to[1])
        .transpose()
        .unsqueeze::<3>()
        .expand([n * c, w, to[1]]);
    rows.matmul(x.reshape([n * c, h, w]))
        .matmul(columns)
        .reshape([n, c, to[0], to[1]])
}

/// The overlap with `to` rows and columns, counted from the top left; zeros beyond.
pub fn fit(x: Tensor<4>, to: [usize; 2]) -> Tensor<4> {
    let [n, c, h, w] = x.dims();
    let device = x.device();
    let (rows, columns) = (h.min(to[0]), w.min(to[1]));
    let mut x = x.slice([0..n, 0..c, 0..rows, 0..columns]);
    if rows < to[0] {
        let zeros = Tensor::zeros([n, c, to[0] - rows, columns], &device);
        x = Tensor::cat(vec![x, zeros], 2);
    }
    if columns < to[1] {
        let zeros = Tensor::zeros([n, c, to[0], to[1] - columns], &device);
        x = Tensor::cat(vec![x, zeros], 3);
    }
    x
}

/// Mean over rows and columns.
pub fn global_avg(x: Tensor<4>) -> Tensor<4> {
    x.mean_dim(2).mean_dim(3)
}

/// Maximum over rows and columns.
pub fn global_max(x: Tensor<4>) -> Tensor<4> {
    let [n, c, h, w] = x.dims();
    x.reshape([n, c, h * w, 1]).max_dim(2)
}

/// Log-sum-exp pooling of ChestX-ray8 (Wang et al. 2017, section 3.2).
pub fn global_lse(x: Tensor<4>, r: f32) -> Tensor<4> {
    let top = global_max(x.clone()).detach();
    let sum = global_avg(((x - top.clone()) * r).exp());
    top + sum.log() / r
}

/// Zeros with chance `p`, `1 / (1 - p)` otherwise. Drawn on the host: the same on every device.
pub fn dropout_mask(shape: &[usize], p: f32, seed: u64, node: usize, device: &Device) -> Tensor<1> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(node as u64);
    let kept = 1.0 / (1.0 - p);
    let len = shape.iter().product();
    let mask: Vec<f32> = (0..len)
        .map(|_| if rng.random::<f32>() < p { 0.0 } else { kept })
        .collect();
    Tensor::from_data(TensorData::new(mask, [len]), device)
}
