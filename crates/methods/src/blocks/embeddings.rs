//! What a classifier's last layer reads: pooled feature maps, their likeness and their projection.

use super::classify::ClassifyData;
use crate::error::{MethodError, Result};
use hilum_image::Plane;
use hilum_kernels::plan::Plan;
use hilum_kernels::{Graph, Params, Tensor};
use hilum_nn::InputContract;
use hilum_tabular::factor::{SvdOptions, truncated_svd};
use nalgebra::DMatrix;

/// The mean of each feature map over the picture, one row a picture.
///
/// # Errors
/// A network without the output `features`; pictures that do not fit.
pub fn pooled(
    graph: &Graph,
    params: &Params,
    contract: &InputContract,
    data: &ClassifyData,
) -> Result<Vec<Vec<f64>>> {
    let planes: Vec<&Plane<u8>> = data.pictures.iter().map(|p| &p.plane).collect();
    pooled_planes(graph, params, contract, &planes)
}

/// As [`pooled`], of grey levels in network size.
///
/// # Errors
/// As [`pooled`].
pub fn pooled_planes(
    graph: &Graph,
    params: &Params,
    contract: &InputContract,
    planes: &[&Plane<u8>],
) -> Result<Vec<Vec<f64>>> {
    let at = graph
        .outputs
        .iter()
        .position(|(name, _)| name == "features")
        .ok_or_else(|| MethodError::Config("the network has no output `features`".to_owned()))?;
    let plan = Plan::new(graph, params)?;
    let mut out = Vec::with_capacity(planes.len());
    for part in planes.chunks(16) {
        let data = part.iter().flat_map(|p| contract.values(p)).collect();
        let x = Tensor {
            shape: vec![part.len(), 1, contract.height, contract.width],
            data,
        };
        let maps = &plan.run(&x)?[at];
        let (channels, pixels) = (maps.shape[1], maps.shape[2] * maps.shape[3]);
        let mean = |map: &[f32]| map.iter().map(|&v| f64::from(v)).sum::<f64>() / pixels as f64;
        out.extend(
            maps.data
                .chunks(channels * pixels)
                .map(|image| image.chunks(pixels).map(mean).collect()),
        );
    }
    Ok(out)
}

/// Cosine of the angle between two vectors; `None` when one is zero.
pub fn cosine(a: &[f64], b: &[f64]) -> Option<f64> {
    let dot: f64 = a.iter().zip(b).map(|(a, b)| a * b).sum();
    let norm = |v: &[f64]| v.iter().map(|x| x * x).sum::<f64>().sqrt();
    let length = norm(a) * norm(b);
    (length > 0.0).then(|| dot / length)
}

/// The first two principal components of rows, and the share of the variance that each explains.
///
/// # Errors
/// Fewer than three rows, rows without variance, rows of other lengths.
pub fn two_components(rows: &[Vec<f64>]) -> Result<(Vec<[f64; 2]>, [f64; 2])> {
    let columns = rows.first().map_or(0, Vec::len);
    if rows.len() < 3 || columns < 2 || rows.iter().any(|r| r.len() != columns) {
        return Err(MethodError::TooFew {
            what: "rows of one length of two values or more to be projected".to_owned(),
            found: rows.len(),
            needed: 3,
        });
    }
    let mut m = DMatrix::from_fn(rows.len(), columns, |i, j| rows[i][j]);
    for mut column in m.column_iter_mut() {
        let mean = column.mean();
        column.add_scalar_mut(-mean);
    }
    let total = m.norm_squared();
    if total <= 0.0 {
        return Err(MethodError::Config("all rows are the same".to_owned()));
    }
    let svd = truncated_svd(&m, 2, &SvdOptions::default(), None)?;
    let points = svd.scaled_u(1.0);
    let shares = [0, 1].map(|k| svd.s[k] * svd.s[k] / total);
    Ok((points.row_iter().map(|r| [r[0], r[1]]).collect(), shares))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_component_lies_along_the_widest_direction() {
        let rows: Vec<Vec<f64>> = (0..20)
            .map(|i| {
                let t = f64::from(i);
                vec![3.0 * t, 4.0 * t + 0.1 * f64::from(i % 2), 1.0]
            })
            .collect();
        let (points, shares) = two_components(&rows).unwrap();
        assert!(shares[0] > 0.999 && shares[1] < 0.001);
        let step = (points[1][0] - points[0][0]).abs();
        assert!((step - 5.0).abs() < 0.2, "{step}");
        assert!(two_components(&vec![vec![1.0, 2.0]; 5]).is_err());
        assert!(two_components(&rows[..2]).is_err());
    }

    #[test]
    fn cosines_of_zero_are_undefined() {
        assert_eq!(cosine(&[1.0, 0.0], &[0.0, 2.0]), Some(0.0));
        assert_eq!(cosine(&[0.0, 0.0], &[0.0, 2.0]), None);
    }
}
