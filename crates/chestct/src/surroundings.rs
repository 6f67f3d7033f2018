//! What lies round a nodule: distances to pleura, airways and vessels, branches that touch it or lead to it, and how much of the shell
//! round it they fill.

use crate::airways::{AirwayOptions, Airways, airways, trachea};
use crate::error::ChestCtError;
use crate::gap::{Gap, Surface, gap};
use crate::lungs::lungs;
use crate::vessels::{VesselOptions, vessels};
use hilum_volume::components::{Connectivity, label};
use hilum_volume::distance::distance_to;
use hilum_volume::{Affine, Volume};
use serde::{Deserialize, Serialize};

/// How surroundings are measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SurroundingOptions {
    /// Thickness of the shell, mm.
    pub shell: f64,
    /// A structure this near to the nodule touches it, in voxels along the way ...
    pub touch: f64,
    /// ... and for the lumen of airways the thickness of their wall more, mm.
    pub wall: f64,
    /// How far a branch is followed past its end, mm.
    pub reach: f64,
    /// Length of a branch's end that tells its direction, mm.
    pub heading: f64,
    /// Branches shorter than this are not followed, mm.
    pub spur: f64,
}

impl Default for SurroundingOptions {
    fn default() -> Self {
        SurroundingOptions {
            shell: 5.0,
            touch: 1.5,
            wall: 1.2,
            reach: 10.0,
            heading: 5.0,
            spur: 4.0,
        }
    }
}

/// The three structures of a CT.
#[derive(Debug, Clone, PartialEq)]
pub struct Structures {
    /// Lungs with everything in them, the nodules too.
    pub lungs: Volume<u8>,
    /// Lumen of the airways; `None` when no seed was found, with the reason.
    pub airways: Result<Airways, String>,
    /// Vessels.
    pub vessels: Volume<u8>,
}

impl Structures {
    /// Finds them. `seed` is a voxel in an airway; without one the trachea is looked for, and airways are left out
    /// with the reason when it is not found. Nodules belong to the lungs and to no vessel.
    ///
    /// # Errors
    /// [`ChestCtError`]: no lungs, masks on another grid, a seed in no airway.
    pub fn of(
        ct: &Volume<f32>,
        nodules: &Volume<u8>,
        seed: Option<[usize; 3]>,
        airway: &AirwayOptions,
        vessel: &VesselOptions,
    ) -> Result<Self, ChestCtError> {
        if !nodules.same_grid(ct) {
            return Err(ChestCtError::Grid {
                what: "the nodules' mask",
            });
        }
        let mut lungs = lungs(ct)?;
        for (l, n) in lungs.data.iter_mut().zip(&nodules.data) {
            *l |= u8::from(*n != 0);
        }
        let tree = match seed {
            Some(seed) => Ok(airways(ct, &[seed], airway)?),
            None => match trachea(ct) {
                Ok(seed) => airways(ct, &[seed], airway).map_err(|e| e.to_string()),
                Err(e) => Err(e.to_string()),
            },
        };
        let lumen = tree.as_ref().ok().map(|t| &t.mask);
        let vessels = vessels(ct, &lungs, lumen, Some(nodules), vessel)?;
        Ok(Structures {
            lungs,
            airways: tree,
            vessels,
        })
    }
}

/// What is measured of one structure.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Near {
    /// From surface to surface, mm; null when the structure is not in the volume.
    pub mm: Option<f64>,
    /// Branches that touch the nodule.
    pub touching: usize,
    /// Branches that end short of it and would meet it when they went on.
    pub projecting: usize,
    /// Share of the shell round the nodule, within the lungs, that the structure fills.
    pub share: f64,
}

/// The table's row of one nodule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Features {
    /// Number of the nodule in its mask.
    pub nodule: u32,
    /// Its centre in mm, LPS.
    pub centre: [f64; 3],
    /// Its volume, mm3.
    pub volume_mm3: f64,
    /// Diameter of the ball of that volume, mm.
    pub diameter_mm: f64,
    /// Distance to the pleura, mm.
    pub pleura_mm: Option<f64>,
    /// Airways; null when none were found.
    pub airways: Option<Near>,
    /// Vessels.
    pub vessels: Near,
}

/// Measures every nodule of a mask: its 26-connected parts, in the order of their first voxels.
///
/// # Errors
/// [`ChestCtError::Missing`] for an empty mask, [`ChestCtError::Grid`].
pub fn measure(
    ct: &Volume<f32>,
    nodules: &Volume<u8>,
    structures: &Structures,
    options: &SurroundingOptions,
) -> Result<Vec<Features>, ChestCtError> {
    if !nodules.same_grid(ct) {
        return Err(ChestCtError::Grid {
            what: "the nodules' mask",
        });
    }
    let parts = label(nodules, Connectivity::TwentySix);
    if parts.sizes.is_empty() {
        return Err(ChestCtError::Missing {
            what: "nodule",
            reason: "the mask is empty".into(),
        });
    }
    let outside = structures.lungs.map(|&v| u8::from(v == 0));
    let pleura = away(&outside)?;
    let vessels = Measured::of(&structures.vessels, ct)?;
    let airways = match &structures.airways {
        Ok(tree) => Some(Measured::of(&tree.mask, ct)?),
        Err(_) => None,
    };
    let mut voxels = vec![Vec::new(); parts.sizes.len()];
    for (at, &l) in parts.labels.data.iter().enumerate().filter(|v| *v.1 != 0) {
        voxels[l as usize - 1].push(at);
    }
    let mut rows = Vec::new();
    for (n, nodule) in voxels.iter().enumerate() {
        let one = Nodule::new(ct, nodule, &structures.lungs, options)?;
        let volume = nodule.len() as f64 * ct.voxel_volume();
        let pleura_mm = pleura
            .as_ref()
            .and_then(|d| gap(ct, nodule, &outside, d, Surface::Grey))
            .map(|g| g.mm);
        rows.push(Features {
            nodule: n as u32 + 1,
            centre: one.centre,
            volume_mm3: volume,
            diameter_mm: (6.0 * volume / std::f64::consts::PI).cbrt(),
            pleura_mm,
            airways: match &airways {
                Some(a) => Some(one.near(a, options.wall, Surface::Mask, options)?),
                None => None,
            },
            vessels: one.near(&vessels, 0.0, Surface::Grey, options)?,
        });
    }
    Ok(rows)
}

fn away(mask: &Volume<u8>) -> Result<Option<Volume<f32>>, ChestCtError> {
    if mask.data.iter().all(|&v| v == 0) {
        return Ok(None);
    }
    Ok(Some(distance_to(mask)?))
}

/// A structure with the distance of every voxel to it.
struct Measured<'a> {
    mask: &'a Volume<u8>,
    away: Option<Volume<f32>>,
    ct: &'a Volume<f32>,
}

impl<'a> Measured<'a> {
    fn of(mask: &'a Volume<u8>, ct: &'a Volume<f32>) -> Result<Self, ChestCtError> {
        Ok(Measured {
            mask,
            away: away(mask)?,
            ct,
        })
    }
}

/// A nodule in a box of the volume that holds everything within reach of it.
pub(crate) struct Nodule<'a> {
    voxels: &'a [usize],
    pub centre: [f64; 3],
    low: [usize; 3],
    pub size: [usize; 3],
    pub mask: Volume<u8>,
    /// Distance to the nodule, mm, in the box.
    pub away: Volume<f32>,
    lungs: Volume<u8>,
}

impl<'a> Nodule<'a> {
    fn new(
        ct: &Volume<f32>,
        voxels: &'a [usize],
        lungs: &Volume<u8>,
        options: &SurroundingOptions,
    ) -> Result<Self, ChestCtError> {
        let spacing = ct.affine.spacing();
        let margin = options.shell.max(options.reach + options.heading) + 5.0;
        let (mut low, mut high, mut sum) = ([usize::MAX; 3], [0usize; 3], [0f64; 3]);
        for &at in voxels {
            let p = ct.index_of(at);
            for k in 0..3 {
                low[k] = low[k].min(p[k]);
                high[k] = high[k].max(p[k]);
                sum[k] += p[k] as f64;
            }
        }
        for k in 0..3 {
            let more = (margin / spacing[k]).ceil() as usize;
            low[k] = low[k].saturating_sub(more);
            high[k] = (high[k] + more).min(ct.size[k] - 1);
        }
        let size = std::array::from_fn(|k| high[k] - low[k] + 1);
        let mut mask = Volume::filled(size, boxed(&ct.affine, low), 0u8);
        for &at in voxels {
            let [i, j, k] = ct.index_of(at);
            let to = mask.at(i - low[0], j - low[1], k - low[2]);
            mask.data[to] = 1;
        }
        Ok(Nodule {
            voxels,
            centre: ct.affine.apply(sum.map(|s| s / voxels.len() as f64)),
            away: distance_to(&mask)?,
            lungs: cut(lungs, low, size),
            low,
            size,
            mask,
        })
    }

    fn near(
        &self,
        structure: &Measured<'_>,
        wall: f64,
        surface: Surface,
        options: &SurroundingOptions,
    ) -> Result<Near, ChestCtError> {
        let shortest: Option<Gap> = structure
            .away
            .as_ref()
            .and_then(|d| gap(structure.ct, self.voxels, structure.mask, d, surface));
        let local = cut(structure.mask, self.low, self.size);
        let contact = self.contact(structure.ct, wall, options);
        Ok(Near {
            mm: shortest.map(|g| g.mm),
            touching: self.touching(&local, &contact, options),
            projecting: self.projecting(&local, &contact, options),
            share: self.share(&local, options),
        })
    }

    fn share(&self, local: &Volume<u8>, options: &SurroundingOptions) -> f64 {
        let (mut all, mut filled) = (0usize, 0usize);
        for (at, &d) in self.away.data.iter().enumerate() {
            if d > 0.0 && f64::from(d) <= options.shell && self.lungs.data[at] != 0 {
                all += 1;
                filled += usize::from(local.data[at] != 0);
            }
        }
        if all == 0 {
            0.0
        } else {
            filled as f64 / all as f64
        }
    }
}

fn boxed(affine: &Affine, low: [usize; 3]) -> Affine {
    Affine {
        origin: affine.apply(low.map(|v| v as f64)),
        ..*affine
    }
}

/// A box of a volume.
fn cut(volume: &Volume<u8>, low: [usize; 3], size: [usize; 3]) -> Volume<u8> {
    let mut out = Volume::filled(size, boxed(&volume.affine, low), 0u8);
    for k in 0..size[2] {
        for j in 0..size[1] {
            let from = volume.at(low[0], low[1] + j, low[2] + k);
            let to = out.at(0, j, k);
            out.data[to..to + size[0]].copy_from_slice(&volume.data[from..from + size[0]]);
        }
    }
    out
}
