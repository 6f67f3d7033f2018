//! Label volumes, boxes and points through the same geometry as the picture.

use crate::error::DrrError;
use crate::geometry::Geometry;
use crate::project::Projector;
use hilum_image::Mask;
use hilum_volume::{Vec3, Volume};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// A box in pixels: left, top, width, height, with pixel edges at whole numbers.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct PixelBox {
    /// Left edge.
    pub x: f64,
    /// Top edge.
    pub y: f64,
    /// Width.
    pub w: f64,
    /// Height.
    pub h: f64,
}

/// The label values that occur, without 0, in rising order.
pub fn labels(volume: &Volume<u8>) -> Vec<u8> {
    let mut seen = [false; 256];
    volume
        .data
        .iter()
        .for_each(|&v| seen[usize::from(v)] = true);
    (1..=255).filter(|&v| seen[usize::from(v)]).collect()
}

/// The silhouette of every label asked for: a pixel belongs to it when its ray meets a voxel of that label. Masks overlap.
///
/// # Errors
/// [`DrrError::Volume`].
pub fn project_labels(
    volume: &Volume<u8>,
    wanted: &[u8],
    geometry: &Geometry,
) -> Result<Vec<Mask>, DrrError> {
    let extents = extents(volume);
    wanted
        .par_iter()
        .map(|&label| match extents[usize::from(label)] {
            Some(extent) => {
                let one = cut(volume, label, extent);
                Ok(Projector::new(&one, |v| v)?.silhouette(geometry))
            }
            None => Ok(Mask::filled(geometry.width, geometry.height, 0)),
        })
        .collect()
}

/// Lowest and highest index of a label along each axis.
type Extent = [(usize, usize); 3];

fn extents(volume: &Volume<u8>) -> Vec<Option<Extent>> {
    let mut all: Vec<Option<Extent>> = vec![None; 256];
    for (at, &label) in volume.data.iter().enumerate().filter(|v| *v.1 != 0) {
        let index = volume.index_of(at);
        let known = &mut all[usize::from(label)];
        let before = known.unwrap_or(index.map(|v| (v, v)));
        *known = Some(std::array::from_fn(|k| {
            (before[k].0.min(index[k]), before[k].1.max(index[k]))
        }));
    }
    all
}

/// The box of one label as 0 and 1.
fn cut(volume: &Volume<u8>, label: u8, extent: Extent) -> Volume<f32> {
    let mut affine = volume.affine;
    affine.origin = affine.apply(extent.map(|e| e.0 as f64));
    let mut out = Volume::filled(extent.map(|e| e.1 - e.0 + 1), affine, 0f32);
    for at in 0..out.data.len() {
        let [i, j, k] = out.index_of(at);
        let from = volume.at(i + extent[0].0, j + extent[1].0, k + extent[2].0);
        out.data[at] = f32::from(u8::from(volume.data[from] == label));
    }
    out
}

/// The smallest box around a mask; `None` for an empty one.
pub fn mask_box(mask: &Mask) -> Option<PixelBox> {
    let rows: Vec<usize> = (0..mask.height)
        .filter(|&y| mask.row(y).iter().any(|&v| v != 0))
        .collect();
    let (top, bottom) = (*rows.first()?, *rows.last()? + 1);
    let left = rows
        .iter()
        .filter_map(|&y| mask.row(y).iter().position(|&v| v != 0))
        .min()?;
    let right = rows
        .iter()
        .filter_map(|&y| mask.row(y).iter().rposition(|&v| v != 0))
        .max()?
        + 1;
    Some(PixelBox {
        x: left as f64,
        y: top as f64,
        w: (right - left) as f64,
        h: (bottom - top) as f64,
    })
}

/// The box on the picture around the eight corners of a box in space; `None` when one lies behind the source.
pub fn project_box(low: Vec3, high: Vec3, geometry: &Geometry) -> Option<PixelBox> {
    let mut edges = [
        f64::INFINITY,
        f64::INFINITY,
        f64::NEG_INFINITY,
        f64::NEG_INFINITY,
    ];
    for corner in 0..8 {
        let p: Vec3 = std::array::from_fn(|k| {
            if corner >> k & 1 == 0 {
                low[k]
            } else {
                high[k]
            }
        });
        let [x, y] = geometry.project(p)?.map(|v| v + 0.5);
        edges = [
            edges[0].min(x),
            edges[1].min(y),
            edges[2].max(x),
            edges[3].max(y),
        ];
    }
    Some(PixelBox {
        x: edges[0],
        y: edges[1],
        w: edges[2] - edges[0],
        h: edges[3] - edges[1],
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::{Beam, Pose, View};
    use hilum_volume::Affine;

    #[test]
    fn a_ball_projects_to_its_disc() {
        let (radius, n) = (40.0, 96);
        let affine = Affine::axis_aligned([1.0; 3], [-47.5; 3]);
        let mut ball = Volume::filled([n; 3], affine, 0u8);
        for at in 0..ball.data.len() {
            let p = affine.apply(ball.index_of(at).map(|v| v as f64));
            ball.data[at] = u8::from(p.iter().map(|v| v * v).sum::<f64>() < radius * radius) * 7;
        }
        assert_eq!(labels(&ball), vec![7]);
        let g = Geometry::of_view(
            View::Pa,
            [0.0; 3],
            &Pose::default(),
            Beam::Perspective,
            1800.0,
            1600.0,
            1.0,
            (128, 128),
        )
        .unwrap();
        let mask = &project_labels(&ball, &[7], &g).unwrap()[0];
        // The tangent cone of the sphere cuts the detector in a disc.
        let disc = 1800.0 * radius / (1600.0f64.powi(2) - radius * radius).sqrt();
        let wrong = (0..128 * 128).filter(|&at| {
            let d = ((at % 128) as f64 - 63.5).hypot((at / 128) as f64 - 63.5);
            (d < disc - 1.0 && mask.data[at] == 0) || (d > disc + 1.0 && mask.data[at] != 0)
        });
        assert_eq!(wrong.count(), 0);
        let b = mask_box(mask).unwrap();
        assert!(
            (b.w - 2.0 * disc).abs() < 2.0 && (b.x + b.w / 2.0 - 64.0).abs() < 0.6,
            "{b:?} {disc}"
        );
    }

    #[test]
    fn corners_bound_the_box() {
        let g = Geometry::of_view(
            View::Ap,
            [0.0; 3],
            &Pose::default(),
            Beam::Parallel,
            900.0,
            500.0,
            2.0,
            (100, 100),
        )
        .unwrap();
        let b = project_box([10.0, -5.0, -20.0], [30.0, 5.0, 20.0], &g).unwrap();
        assert_eq!((b.x, b.y, b.w, b.h), (55.0, 40.0, 10.0, 20.0));
        assert!(mask_box(&hilum_image::Plane::filled(3, 3, 0)).is_none());
    }
}
