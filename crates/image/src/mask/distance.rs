//! Exact Euclidean distances (Felzenszwalb and Huttenlocher 2012).

use crate::plane::{Gray, Mask, Plane};

/// Distance in pixels of every mask pixel to the nearest background pixel, as SciPy's `distance_transform_edt`.
/// `None` when there is no background.
pub fn distance_transform(mask: &Mask) -> Option<Gray> {
    distance_transform_spaced(mask, 1.0, 1.0)
}

/// The same with `row` units between rows and `column` units between columns.
pub fn distance_transform_spaced(mask: &Mask, row: f64, column: f64) -> Option<Gray> {
    if !mask.data.contains(&0) {
        return None;
    }
    let (w, h) = (mask.width, mask.height);
    let mut squared: Vec<f64> = mask
        .data
        .iter()
        .map(|&v| if v == 0 { 0.0 } else { f64::INFINITY })
        .collect();
    let mut line = vec![0.0; h];
    for x in 0..w {
        (0..h).for_each(|y| line[y] = squared[y * w + x]);
        let new = lower_envelope(&line, row);
        (0..h).for_each(|y| squared[y * w + x] = new[y]);
    }
    for y in 0..h {
        let new = lower_envelope(&squared[y * w..(y + 1) * w], column);
        squared[y * w..(y + 1) * w].copy_from_slice(&new);
    }
    Some(Plane {
        width: w,
        height: h,
        data: squared.into_iter().map(|v| v.sqrt() as f32).collect(),
    })
}

/// `min over j of f[j] + (step * (i - j))^2` for every `i`.
fn lower_envelope(f: &[f64], step: f64) -> Vec<f64> {
    let position = |i: usize| i as f64 * step;
    let mut parabolas: Vec<(usize, f64)> = Vec::new();
    for (j, &value) in f.iter().enumerate() {
        if value.is_infinite() {
            continue;
        }
        let mut from = f64::NEG_INFINITY;
        while let Some(&(k, start)) = parabolas.last() {
            let (pj, pk) = (position(j), position(k));
            from = ((value + pj * pj) - (f[k] + pk * pk)) / (2.0 * (pj - pk));
            if from > start {
                break;
            }
            parabolas.pop();
            from = f64::NEG_INFINITY;
        }
        parabolas.push((j, from));
    }
    let mut at = 0;
    (0..f.len())
        .map(|i| {
            while at + 1 < parabolas.len() && parabolas[at + 1].1 <= position(i) {
                at += 1;
            }
            parabolas.get(at).map_or(f64::INFINITY, |&(j, _)| {
                f[j] + (position(i) - position(j)).powi(2)
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_match_brute_force() {
        let mask = Plane::from_fn(
            17,
            11,
            |x, y| if (x * 7 + y * 5) % 13 == 0 { 0u8 } else { 255 },
        );
        let got = distance_transform_spaced(&mask, 1.5, 0.7).unwrap();
        for y in 0..11 {
            for x in 0..17 {
                let expected = (0..11 * 17)
                    .filter(|&i| mask.data[i] == 0)
                    .map(|i| {
                        ((i / 17) as f64 - y as f64)
                            .mul_add(1.5, 0.0)
                            .hypot(((i % 17) as f64 - x as f64) * 0.7)
                    })
                    .fold(f64::INFINITY, f64::min);
                assert!((f64::from(got.data[y * 17 + x]) - expected).abs() < 1e-5);
            }
        }
        assert_eq!(distance_transform(&Plane::filled(2, 2, 255)), None);
    }
}
