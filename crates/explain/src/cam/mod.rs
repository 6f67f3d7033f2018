//! Maps from the activations of a layer.

mod gradient;
mod score;

pub use gradient::{CamKind, cam, guided_grad_cam, layer_activation};
pub use score::score_cam;

use hilum_kernels::Tensor;

/// Enlarges maps `[n, 1, h, w]` bilinearly to another size, pixel centres held (PyTorch's `align_corners=False`).
pub fn enlarge(maps: &Tensor, h: usize, w: usize) -> Tensor {
    resample(maps, h, w, |at, from, to| {
        let place = ((at as f32 + 0.5) * from as f32 / to as f32 - 0.5).max(0.0);
        let low = (place as usize).min(from - 1);
        (low, (low + 1).min(from - 1), place - low as f32)
    })
}

/// Enlarges maps `[n, 1, h, w]` by the nearest value (PyTorch's `nearest`).
pub fn enlarge_nearest(maps: &Tensor, h: usize, w: usize) -> Tensor {
    resample(maps, h, w, |at, from, to| {
        let low = (at * from / to).min(from - 1);
        (low, low, 0.0)
    })
}

/// `place(at, from, to)` gives the two neighbours of output line `at` and the share of the second.
fn resample(
    maps: &Tensor,
    h: usize,
    w: usize,
    place: impl Fn(usize, usize, usize) -> (usize, usize, f32),
) -> Tensor {
    let (fh, fw) = (maps.shape[2], maps.shape[3]);
    let columns: Vec<(usize, usize, f32)> = (0..w).map(|x| place(x, fw, w)).collect();
    let mut data = Vec::with_capacity(maps.shape[0] * h * w);
    for plane in maps.data.chunks(fh * fw) {
        for y in 0..h {
            let (top, bottom, down) = place(y, fh, h);
            for &(left, right, over) in &columns {
                let line =
                    |y: usize| plane[y * fw + left] * (1.0 - over) + plane[y * fw + right] * over;
                data.push(line(top) * (1.0 - down) + line(bottom) * down);
            }
        }
    }
    Tensor {
        shape: vec![maps.shape[0], 1, h, w],
        data,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn enlarging_holds_pixel_centres() {
        let map = Tensor {
            shape: vec![1, 1, 1, 2],
            data: vec![0.0, 4.0],
        };
        assert_eq!(enlarge(&map, 1, 4).data, vec![0.0, 1.0, 3.0, 4.0]);
        assert_eq!(enlarge_nearest(&map, 2, 4).data[..4], [0.0, 0.0, 4.0, 4.0]);
    }
}
