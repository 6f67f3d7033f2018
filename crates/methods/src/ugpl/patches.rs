//! Where patches are cut.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Upper left corner of a patch: column, row.
pub type Corner = [usize; 2];

/// Bilinear enlargement of a square map to `side` pixels; pixel centres are aligned, the edge repeats.
pub fn enlarge(map: &[f32], side: usize) -> Vec<f32> {
    let from = (map.len() as f64).sqrt().round() as usize;
    let place = |i: usize| {
        let at = ((i as f32 + 0.5) * from as f32 / side as f32 - 0.5).clamp(0.0, from as f32 - 1.0);
        let low = at as usize;
        (low, (low + 1).min(from - 1), at - low as f32)
    };
    let mut out = Vec::with_capacity(side * side);
    for y in 0..side {
        let (y0, y1, fy) = place(y);
        for x in 0..side {
            let (x0, x1, fx) = place(x);
            let row = |y: usize| map[y * from + x0] * (1.0 - fx) + map[y * from + x1] * fx;
            out.push(row(y0) * (1.0 - fy) + row(y1) * fy);
        }
    }
    out
}

/// Greedy choice on a map of the picture's size: a patch about the largest value, then about the largest whose patch keeps
/// a quarter of a patch away from those before, and so on. Where no such place is left, one at random that does not
/// overlap, and one anywhere if there is none.
pub fn greedy(map: &[f32], side: usize, patch: usize, count: usize, seed: u64) -> Vec<Corner> {
    let last = side - patch;
    let half = patch / 2;
    let value = |c: Corner| map[(c[1] + half) * side + c[0] + half];
    let mut chosen: Vec<Corner> = Vec::new();
    for _ in 0..count {
        let mut best: Option<(Corner, f32)> = None;
        for y in 0..=last {
            for x in 0..=last {
                let here = [x, y];
                let free = chosen.iter().all(|c| apart(*c, here) >= patch + patch / 4);
                if free && best.is_none_or(|(_, v)| value(here) > v) {
                    best = Some((here, value(here)));
                }
            }
        }
        let next = best.map_or_else(|| random_free(&chosen, last, patch, seed), |(c, _)| c);
        chosen.push(next);
    }
    chosen
}

/// The larger of the distances along both axes: patches at least `patch` apart do not overlap.
fn apart(a: Corner, b: Corner) -> usize {
    a[0].abs_diff(b[0]).max(a[1].abs_diff(b[1]))
}

fn random_free(chosen: &[Corner], last: usize, patch: usize, seed: u64) -> Corner {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(chosen.len() as u64);
    let mut at = [0, 0];
    // Most pictures have room; a hundred draws find it.
    for _ in 0..100 {
        at = [rng.random_range(0..=last), rng.random_range(0..=last)];
        if chosen.iter().all(|c| apart(*c, at) >= patch) {
            break;
        }
    }
    at
}

/// Patches anywhere, apart from each other.
pub fn random(side: usize, patch: usize, count: usize, seed: u64) -> Vec<Corner> {
    let mut chosen = Vec::new();
    for _ in 0..count {
        chosen.push(random_free(&chosen, side - patch, patch, seed));
    }
    chosen
}

/// Patches along the diagonal, the same for every picture.
pub fn fixed(side: usize, patch: usize, count: usize) -> Vec<Corner> {
    let last = side - patch;
    (0..count)
        .map(|k| {
            let at = (2 * k + 1) * last / (2 * count);
            [at, at]
        })
        .collect()
}

/// As released: the places of the largest values of the small map, taken for pixels of the picture.
pub fn released(map: &[f32], count: usize) -> Vec<Corner> {
    let from = (map.len() as f64).sqrt().round() as usize;
    let mut order: Vec<usize> = (0..map.len()).collect();
    order.sort_by(|a, b| map[*b].total_cmp(&map[*a]).then(a.cmp(b)));
    let at = order.iter().cycle().take(count);
    at.map(|&i| [i % from, i / from]).collect()
}

/// A patch of the picture, brought to `seen` pixels a side.
pub fn cut(picture: &[f32], side: usize, corner: Corner, patch: usize, seen: usize) -> Vec<f32> {
    let mut own = Vec::with_capacity(patch * patch);
    for y in 0..patch {
        let start = (corner[1] + y) * side + corner[0];
        own.extend_from_slice(&picture[start..start + patch]);
    }
    enlarge(&own, seen)
}

/// Whether one of the patches covers at least half of a lesion's pixels.
pub fn covers(corners: &[Corner], patch: usize, lesion: &[usize], side: usize) -> bool {
    corners.iter().any(|c| {
        let inside = lesion.iter().filter(|&&p| {
            let (x, y) = (p % side, p / side);
            (c[0]..c[0] + patch).contains(&x) && (c[1]..c[1] + patch).contains(&y)
        });
        2 * inside.count() >= lesion.len().max(1)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn greedy_patches_never_overlap_and_stay_inside() {
        let mut rng = ChaCha8Rng::seed_from_u64(4);
        for seed in 0..30 {
            let map: Vec<f32> = (0..64 * 64).map(|_| rng.random()).collect();
            let all = greedy(&map, 64, 16, 3, seed);
            for (i, a) in all.iter().enumerate() {
                assert!(a[0] <= 48 && a[1] <= 48);
                assert!(all[..i].iter().all(|b| apart(*a, *b) >= 16));
            }
        }
        // Full: four patches fit with margins nowhere, and a fifth not at all.
        assert_eq!(greedy(&vec![0.0; 32 * 32], 32, 16, 5, 1).len(), 5);
    }

    #[test]
    fn the_first_patch_lies_about_the_largest_value() {
        let mut map = vec![0.0; 64 * 64];
        map[40 * 64 + 30] = 1.0;
        let first = greedy(&map, 64, 16, 1, 0)[0];
        assert_eq!(first, [22, 32]);
        assert!(covers(&[first], 16, &[40 * 64 + 30], 64));
        assert!(!covers(&[[0, 0]], 16, &[40 * 64 + 30], 64));
    }

    #[test]
    fn the_released_places_lie_in_the_upper_left_corner() {
        let map: Vec<f32> = (0..36).map(|i| i as f32).collect();
        let all = released(&map, 3);
        assert_eq!(all, [[5, 5], [4, 5], [3, 5]]);
        assert!(fixed(96, 24, 3).iter().all(|c| c[0] <= 72));
        assert_eq!(random(96, 24, 3, 1), random(96, 24, 3, 1));
    }

    #[test]
    fn enlarging_keeps_even_maps_and_order() {
        assert_eq!(enlarge(&[2.0; 9], 12), vec![2.0; 144]);
        let big = enlarge(&[0.0, 1.0, 0.0, 1.0], 8);
        assert!(big[..8].windows(2).all(|w| w[0] <= w[1]));
        let picture: Vec<f32> = (0..64).map(|i| i as f32).collect();
        assert_eq!(cut(&picture, 8, [2, 1], 2, 2), [10.0, 11.0, 18.0, 19.0]);
    }
}
