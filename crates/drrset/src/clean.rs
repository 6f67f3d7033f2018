//! Clean-up of label volumes: stray voxels of automatic segmentation.

use hilum_volume::Volume;
use hilum_volume::components::{Connectivity, label};

/// Sets to 0 what of each label lies in parts (26-connected) smaller than `share` of its largest part; gives the number of
/// voxels taken away.
pub fn drop_small_parts(labels: &mut Volume<u8>, share: f64) -> usize {
    let mut dropped = 0;
    for value in hilum_drr::structures::labels(labels) {
        let Some((low, high)) = extent(labels, value) else {
            continue;
        };
        let one = cut(labels, value, low, high);
        let parts = label(&one, Connectivity::TwentySix);
        let largest = parts.sizes.iter().copied().max().unwrap_or(0);
        if parts.sizes.len() < 2 {
            continue;
        }
        for (at, &part) in parts.labels.data.iter().enumerate() {
            if part != 0 && (parts.sizes[part as usize - 1] as f64) < share * largest as f64 {
                let [i, j, k] = one.index_of(at);
                let place = labels.at(i + low[0], j + low[1], k + low[2]);
                labels.data[place] = 0;
                dropped += 1;
            }
        }
    }
    dropped
}

fn extent(labels: &Volume<u8>, value: u8) -> Option<([usize; 3], [usize; 3])> {
    let mut found: Option<([usize; 3], [usize; 3])> = None;
    for (at, _) in labels.data.iter().enumerate().filter(|v| *v.1 == value) {
        let p = labels.index_of(at);
        let (low, high) = found.unwrap_or((p, p));
        found = Some((
            std::array::from_fn(|k| low[k].min(p[k])),
            std::array::from_fn(|k| high[k].max(p[k])),
        ));
    }
    found
}

fn cut(labels: &Volume<u8>, value: u8, low: [usize; 3], high: [usize; 3]) -> Volume<u8> {
    let size = std::array::from_fn(|k| high[k] - low[k] + 1);
    let mut out = Volume::filled(size, labels.affine, 0u8);
    for at in 0..out.data.len() {
        let [i, j, k] = out.index_of(at);
        let from = labels.at(i + low[0], j + low[1], k + low[2]);
        out.data[at] = u8::from(labels.data[from] == value);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use hilum_volume::Affine;

    #[test]
    fn small_parts_go_and_large_ones_stay() {
        let mut v = Volume::filled([20, 4, 4], Affine::axis_aligned([1.0; 3], [0.0; 3]), 0u8);
        for at in 0..v.data.len() {
            v.data[at] = match v.index_of(at)[0] {
                0..=5 => 3,
                8 => 3,
                10..=13 => 7,
                15..=18 => 7,
                _ => 0,
            };
        }
        let before = v.clone();
        assert_eq!(drop_small_parts(&mut v, 0.1), 0);
        assert_eq!(v, before);
        assert_eq!(drop_small_parts(&mut v, 0.5), 16);
        assert_eq!(v.get(8, 0, 0), Some(&0));
        assert_eq!(v.get(16, 0, 0), Some(&7));
    }
}
