//! Is the geometry exact? Blocks whose structures are given, without noise.

use super::Config;
use super::cohort::exact_features;
use crate::context::Context;
use crate::error::Result;
use hilum_chestct::SurroundingOptions;
use hilum_phantom::block::{BlockPlan, block};
use hilum_phantom::random::{Draws, Purpose};
use serde::{Deserialize, Serialize};

/// Spacings at which blocks are made, mm.
const SPACINGS: [[f64; 3]; 2] = [[0.8; 3], [0.7, 0.7, 1.0]];
/// Spacing at which the truth of volumes is counted, mm.
const FINE: f64 = 0.35;

/// What was off.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Exactness {
    /// Measured less planted distance in mm: pleura, airway, vessel, nodule after nodule.
    pub distances: Vec<f64>,
    /// Largest side of the voxels of each distance, mm.
    pub voxels: Vec<f64>,
    /// Counts that differ from the planted ones, of all.
    pub counts_off: usize,
    /// Counts.
    pub counts: usize,
    /// Relative errors of nodule volumes and of shares of the shell.
    pub volumes: Vec<f64>,
}

/// Measures blocks of known geometry.
pub fn exactness(ctx: &Context<'_>, config: &Config) -> Result<Exactness> {
    let mut out = Exactness::default();
    let options = SurroundingOptions::default();
    for n in 0..config.exact as u64 {
        let mut d = Draws::new(ctx.seed, Purpose::Block, n, 7);
        let spacing = SPACINGS[n as usize % SPACINGS.len()];
        let projecting = d.below(2);
        let plan = BlockPlan {
            half: [30.0; 3],
            spacing,
            radius: d.range(5.0, 7.0),
            pleura: d.range(2.5, 10.0),
            // A branch that ends before the nodule needs room between the two.
            bronchus: d.range(7.0, 10.0) + 4.0 * projecting as f64,
            airways_touching: d.below(2),
            airways_projecting: projecting,
            vessels_touching: d.below(4),
            vessels_projecting: d.below(2),
            vessel: d.range(2.0, 6.0),
            passing: 2,
            noise: 0.0,
        };
        let Ok(b) = block(&plan, ctx.seed, 5000 + n) else {
            continue;
        };
        let f = exact_features(&b, &options)?;
        let airways = f.airways.map(|a| (a.mm, a.touching, a.projecting, a.share));
        let found = [
            (f.pleura_mm, b.truth.pleura_mm),
            (airways.and_then(|a| a.0), b.truth.airway_mm),
            (f.vessels.mm, b.truth.vessel_mm),
        ];
        for (seen, planted) in found {
            if let (Some(seen), true) = (seen, planted.is_finite()) {
                out.distances.push(seen - planted);
                out.voxels.push(spacing.iter().copied().fold(0.0, f64::max));
            }
        }
        let counts = [
            (airways.map_or(0, |a| a.1), b.truth.airways[0]),
            (airways.map_or(0, |a| a.2), b.truth.airways[1]),
            (f.vessels.touching, b.truth.vessels[0]),
            (f.vessels.projecting, b.truth.vessels[1]),
        ];
        out.counts += counts.len();
        out.counts_off += counts.iter().filter(|c| c.0 != c.1).count();
        let fine = BlockPlan {
            half: [plan.radius + options.shell + 2.0 + plan.bronchus + 8.0; 3],
            spacing: [FINE; 3],
            ..plan.clone()
        };
        let ball = 4.0 / 3.0 * std::f64::consts::PI * plan.radius.powi(3);
        out.volumes.push(f.volume_mm3 / ball - 1.0);
        if let Ok(truth) = block(&fine, ctx.seed, 5000 + n) {
            let t = shares(&truth, plan.radius, options.shell);
            for (seen, wanted) in [
                (airways.map_or(0.0, |a| a.3), t[0]),
                (f.vessels.share, t[1]),
            ] {
                // Of shares under a thousandth a per cent is a handful of voxels.
                if wanted > 5e-3 {
                    out.volumes.push(seen / wanted - 1.0);
                }
            }
        }
    }
    Ok(out)
}

/// Shares of the shell round the nodule that airways and vessels fill, counted on a fine grid.
fn shares(b: &hilum_phantom::block::Block, radius: f64, shell: f64) -> [f64; 2] {
    let (mut all, mut filled) = (0usize, [0usize; 2]);
    for at in 0..b.ct.data.len() {
        let p = b.ct.affine.apply(b.ct.index_of(at).map(|v| v as f64));
        let away = hilum_volume::affine::norm(p) - radius;
        if away > 0.0 && away <= shell && b.lungs.data[at] != 0 {
            all += 1;
            filled[0] += usize::from(b.airways.data[at] != 0);
            filled[1] += usize::from(b.vessels.data[at] != 0);
        }
    }
    filled.map(|f| f as f64 / all.max(1) as f64)
}
