//! The one real CT at hand: LIDC-IDRI-0001 with its organ labels and the outlines of its nodule.

use super::whole::{dice, near_share};
use crate::context::Context;
use crate::error::Result;
use hilum_chestct::surroundings::measure;
use hilum_chestct::vessels::VesselOptions;
use hilum_chestct::{AirwayOptions, Features, Structures, SurroundingOptions};
use hilum_data::pixels::load_mask;
use hilum_data::{Manifest, Sample};
use hilum_volume::Volume;
use hilum_volume::load::load;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Columns and rows of the matrix that the outlines count in.
const MATRIX: f64 = 512.0;
/// Labels of the lobes and of the trachea in the label volume.
const LOBES: std::ops::RangeInclusive<u8> = 10..=14;
const TRACHEA: u8 = 16;

/// What was measured of the real CT.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Real {
    /// Dice of the lungs with the union of the labelled lobes.
    pub lungs: f64,
    /// Share of the labelled trachea within 2.5 mm of the airways found; null with the reason when none were.
    pub trachea: Option<f64>,
    /// Why no airway was found.
    pub no_airway: Option<String>,
    /// Volume of the airways found, ml.
    pub airway_ml: Option<f64>,
    /// Mean rating of malignancy.
    pub malignancy: Option<f64>,
    /// The nodule's surroundings.
    pub features: Features,
}

/// Measures it; `None` when the files are not there.
pub fn real(ctx: &Context<'_>) -> Result<Option<Real>> {
    let folder = ctx.data.join("ct");
    let (ct, labels) = (
        folder.join("lidc_0001_ct.nii.gz"),
        folder.join("lidc_0001_labels.nii.gz"),
    );
    let crops = ctx.data.join("manifests/ct_lidc_nodules.csv");
    if ![&ct, &labels, &crops].iter().all(|p| p.is_file()) {
        eprintln!(
            "nodule_surroundings: {} is not there; the rows of the real CT are left out",
            ct.display()
        );
        return Ok(None);
    }
    let read = |p: &Path| load(p).map_err(hilum_chestct::ChestCtError::from);
    let ct = read(&ct)?.volume;
    let labels = read(&labels)?.volume.map(|&v| v as u8);
    let crops = Manifest::read(&crops)?.filter(|s| s.patient.as_deref() == Some("LIDC-IDRI-0001"));
    let Some((nodule, malignancy)) = nodule(&ct, &crops.samples)? else {
        return Ok(None);
    };
    let structures = Structures::of(
        &ct,
        &nodule,
        None,
        &AirwayOptions::default(),
        &VesselOptions::default(),
    )?;
    let rows = measure(&ct, &nodule, &structures, &SurroundingOptions::default())?;
    // Outlines of neighbouring slices may not touch: the largest part is the nodule.
    let Some(features) = rows
        .into_iter()
        .max_by(|a, b| a.volume_mm3.total_cmp(&b.volume_mm3))
    else {
        return Ok(None);
    };
    let lobes = labels.map(|l| u8::from(LOBES.contains(l)));
    let windpipe = labels.map(|l| u8::from(*l == TRACHEA));
    let tree = structures.airways.as_ref();
    Ok(Some(Real {
        lungs: dice(&structures.lungs, &lobes),
        trachea: match tree {
            Ok(t) => near_share(&windpipe, &t.mask, 2.5)?,
            Err(_) => None,
        },
        no_airway: tree.err().cloned(),
        airway_ml: tree.ok().map(|t| {
            let voxels = t.mask.data.iter().filter(|v| **v != 0).count();
            voxels as f64 * t.mask.voxel_volume() / 1000.0
        }),
        malignancy,
        features,
    }))
}

/// The nodule's mask on the CT's grid, from the crops' masks and their places in the scanner's matrix.
fn nodule(ct: &Volume<f32>, crops: &[Sample]) -> Result<Option<(Volume<u8>, Option<f64>)>> {
    let mut mask = ct.map(|_| 0u8);
    let mut malignancy = None;
    for sample in crops {
        let number = |key: &str| sample.note(key).and_then(|v| v.parse::<f64>().ok());
        let (Some(x), Some(y), Some(z)) = (number("crop_x"), number("crop_y"), number("z")) else {
            continue;
        };
        malignancy = malignancy.or(number("mean_malignancy"));
        let Some(outline) = sample.masks.first() else {
            continue;
        };
        let outline = load_mask(outline, (96, 96))?;
        let k = (z - ct.affine.origin[2]) / ct.affine.axes[2][2];
        let k = k.round();
        if k < 0.0 || k >= ct.size[2] as f64 {
            continue;
        }
        for j in 0..ct.size[1] {
            for i in 0..ct.size[0] {
                // Columns run to the patient's left, rows to the back, whichever way the CT's indices run.
                let place = |index: usize, axis: usize| {
                    let n = ct.size[axis] as f64;
                    let along = if ct.affine.axes[axis][axis] < 0.0 {
                        n - 1.0 - index as f64
                    } else {
                        index as f64
                    };
                    (along + 0.5) * MATRIX / n - 0.5
                };
                let (u, v) = ((place(i, 0) - x).round(), (place(j, 1) - y).round());
                let inside =
                    u >= 0.0 && v >= 0.0 && u < outline.width as f64 && v < outline.height as f64;
                if inside && outline.data[v as usize * outline.width + u as usize] != 0 {
                    let at = ct.at(i, j, k as usize);
                    mask.data[at] = 1;
                }
            }
        }
    }
    Ok(mask
        .data
        .iter()
        .any(|v| *v != 0)
        .then_some((mask, malignancy)))
}
