//! Lungs: the large parts of the volume that hold air and tissue.

use crate::error::ChestCtError;
use hilum_volume::Volume;
use hilum_volume::components::{Components, Connectivity, label};
use hilum_volume::morphology::close;

/// Air and lung lie under this, HU.
const AIR: f32 = -400.0;
/// Pure air has a mean under this: the room, bowel gas.
const EMPTY: f32 = -930.0;
/// Parts smaller than this share of the largest one are no lung.
const SHARE: f64 = 0.1;
/// Gaps as wide as twice this are closed: vessels, and nodules at the pleura, mm.
const CLOSE: f64 = 5.0;

/// One part of the air.
struct AirPart {
    voxels: usize,
    mean: f32,
    at_side: bool,
}

/// Both lungs with their vessels and airways, 1 inside. A volume cut out of a lung is taken too.
///
/// # Errors
/// [`ChestCtError::Missing`] when nothing has the density of lung.
pub fn lungs(ct: &Volume<f32>) -> Result<Volume<u8>, ChestCtError> {
    let air = label(&ct.map(|&hu| u8::from(hu < AIR)), Connectivity::Six);
    let parts = describe(ct, &air);
    // The room and the bowel hold air alone. Lung that the volume's side cuts is not the room.
    let is_lung = |p: &AirPart| p.mean > EMPTY;
    let largest = parts.iter().filter(|p| is_lung(p)).map(|p| p.voxels).max();
    let Some(largest) = largest else {
        return Err(ChestCtError::Missing {
            what: "lungs",
            reason: format!(
                "of {} parts under {AIR} HU none has a mean over {EMPTY} HU; {} lie at the side",
                parts.len(),
                parts.iter().filter(|p| p.at_side).count()
            ),
        });
    };
    let least = SHARE * largest as f64;
    let taken: Vec<bool> = parts
        .iter()
        .map(|p| is_lung(p) && p.voxels as f64 >= least)
        .collect();
    let raw = air
        .labels
        .map(|&l| u8::from(l != 0 && taken[l as usize - 1]));
    Ok(without_holes(&close(&raw, CLOSE)?))
}

fn describe(ct: &Volume<f32>, air: &Components) -> Vec<AirPart> {
    let mut sums = vec![0f64; air.sizes.len()];
    let mut at_side = vec![false; air.sizes.len()];
    for (at, &l) in air.labels.data.iter().enumerate().filter(|v| *v.1 != 0) {
        let n = l as usize - 1;
        sums[n] += f64::from(ct.data[at]);
        let [i, j, _] = ct.index_of(at);
        at_side[n] |= i == 0 || j == 0 || i + 1 == ct.size[0] || j + 1 == ct.size[1];
    }
    (0..air.sizes.len())
        .map(|n| AirPart {
            voxels: air.sizes[n],
            mean: (sums[n] / air.sizes[n] as f64) as f32,
            at_side: at_side[n],
        })
        .collect()
}

/// The mask with everything that it encloses.
fn without_holes(mask: &Volume<u8>) -> Volume<u8> {
    let outside = label(&mask.map(|&v| u8::from(v == 0)), Connectivity::Six);
    let mut open = vec![false; outside.sizes.len()];
    for (at, &l) in outside.labels.data.iter().enumerate().filter(|v| *v.1 != 0) {
        let p = mask.index_of(at);
        let border = (0..3).any(|k| p[k] == 0 || p[k] + 1 == mask.size[k]);
        open[l as usize - 1] |= border;
    }
    outside
        .labels
        .map(|&l| u8::from(l == 0 || !open[l as usize - 1]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use hilum_volume::Affine;

    #[test]
    fn two_lungs_are_found_and_the_room_and_the_bowel_are_not() {
        let affine = Affine::axis_aligned([2.0; 3], [0.0; 3]);
        let mut ct = Volume::filled([60, 40, 30], affine, -1000f32);
        let ball = |p: [usize; 3], c: [f64; 3], r: f64| {
            (0..3).map(|k| (p[k] as f64 - c[k]).powi(2)).sum::<f64>() < r * r
        };
        for at in 0..ct.data.len() {
            let p = ct.index_of(at);
            let body = (p[0] as f64 - 30.0).hypot(1.6 * (p[1] as f64 - 20.0)) < 29.0;
            let lung = ball(p, [18.0, 20.0, 15.0], 8.0) || ball(p, [42.0, 20.0, 15.0], 8.0);
            ct.data[at] = match (body, lung) {
                // A vessel runs through one lung.
                (_, true) if p[0] == 18 && p[1] == 20 => 30.0,
                (_, true) => -840.0,
                (true, _) if ball(p, [30.0, 20.0, 26.0], 4.0) => -990.0,
                (true, _) => 40.0,
                _ => -1000.0,
            };
        }
        let found = lungs(&ct).unwrap();
        assert_eq!(found.get(18, 20, 15), Some(&1));
        assert_eq!(found.get(42, 20, 15), Some(&1));
        for p in [(0, 0, 0), (30, 20, 26), (30, 20, 10)] {
            assert_eq!(found.get(p.0, p.1, p.2), Some(&0), "{p:?}");
        }
        assert!(lungs(&ct.map(|_| 40.0)).is_err());
    }
}
