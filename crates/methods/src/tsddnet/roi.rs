//! Mean features of a region and of the whole picture, and their gradients.

use super::boxes::taps;
use hilum_core::Rect;
use hilum_kernels::Tensor;

/// Points along each side of a region at which the maps are read (He et al. 2017, section 3, reads four a bin).
const POINTS: usize = 4;

/// Cells with their shares in the mean over a box.
fn cells(rect: &Rect, stride: f64, size: [usize; 2]) -> Vec<(usize, f32)> {
    let part = 1.0 / (POINTS * POINTS) as f32;
    let at = |k: usize, from: f64, length: f64| from + length * (k as f64 + 0.5) / POINTS as f64;
    (0..POINTS * POINTS)
        .flat_map(|k| {
            let point = [
                at(k % POINTS, rect.x, rect.w),
                at(k / POINTS, rect.y, rect.h),
            ];
            taps(point, stride, size)
        })
        .map(|(cell, share)| (cell, share * part))
        .collect()
}

/// For each picture the mean of every map over its box, then over the whole: `[n, 2 c]` of maps `[n, c, h, w]` with cells of
/// `stride` pixels.
pub fn pooled(maps: &Tensor, boxes: &[Rect], stride: f64) -> Tensor {
    let (c, size) = (maps.shape[1], [maps.shape[2], maps.shape[3]]);
    let places = size[0] * size[1];
    let mut data = Vec::with_capacity(boxes.len() * 2 * c);
    for (own, rect) in maps.data.chunks(c * places).zip(boxes) {
        let region = cells(rect, stride, size);
        data.extend(
            own.chunks(places)
                .map(|map| region.iter().map(|(k, share)| map[*k] * share).sum::<f32>()),
        );
        data.extend(
            own.chunks(places)
                .map(|map| map.iter().sum::<f32>() / places as f32),
        );
    }
    Tensor {
        shape: vec![boxes.len(), 2 * c],
        data,
    }
}

/// Gradient by the maps from that by [`pooled`].
pub fn back(shape: &[usize], boxes: &[Rect], stride: f64, grad: &[f32]) -> Tensor {
    let (c, size) = (shape[1], [shape[2], shape[3]]);
    let places = size[0] * size[1];
    let mut maps = Tensor::zeros(shape);
    let rows = maps.data.chunks_mut(c * places).zip(grad.chunks(2 * c));
    for ((own, grad), rect) in rows.zip(boxes) {
        let region = cells(rect, stride, size);
        for (k, map) in own.chunks_mut(places).enumerate() {
            let all = grad[c + k] / places as f32;
            map.iter_mut().for_each(|v| *v += all);
            for (cell, share) in &region {
                map[*cell] += grad[k] * share;
            }
        }
    }
    maps
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gradient_is_the_transpose() {
        let shape = [2, 3, 4, 4];
        let boxes =
            [[3.0, 5.0, 10.0, 6.0], [0.0, 0.0, 32.0, 32.0]].map(|[x, y, w, h]| Rect { x, y, w, h });
        let mut maps = Tensor::zeros(&shape);
        for (i, v) in maps.data.iter_mut().enumerate() {
            *v = ((i * 37 % 11) as f32) / 7.0 - 0.6;
        }
        let weights: Vec<f32> = (0..12).map(|i| (i * 5 % 7) as f32 / 3.0 - 1.0).collect();
        let out = pooled(&maps, &boxes, 8.0);
        assert_eq!(out.shape, [2, 6]);
        let forward: f64 = out
            .data
            .iter()
            .zip(&weights)
            .map(|(a, b)| f64::from(a * b))
            .sum();
        let grad = back(&shape, &boxes, 8.0, &weights);
        let backward: f64 = grad
            .data
            .iter()
            .zip(&maps.data)
            .map(|(a, b)| f64::from(a * b))
            .sum();
        assert!((forward - backward).abs() < 1e-4, "{forward} {backward}");
    }

    #[test]
    fn a_region_sees_its_own_cells() {
        let mut maps = Tensor::zeros(&[1, 1, 4, 4]);
        maps.data[5] = 16.0;
        let cell = Rect {
            x: 11.9,
            y: 11.9,
            w: 0.2,
            h: 0.2,
        };
        let out = pooled(&maps, &[cell], 8.0);
        assert!((out.data[0] - 16.0).abs() < 0.5 && (out.data[1] - 1.0).abs() < 1e-6);
    }
}
