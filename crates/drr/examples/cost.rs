//! What a projection costs by the number of rays and of voxels on their way:
//!
//!     cargo run --release -p hilum-drr --example cost

use hilum_drr::geometry::{Beam, Geometry, Pose, View};
use hilum_drr::{DrrError, Method, Projector};
use hilum_volume::{Affine, Volume};
use std::time::Instant;

/// Runs of each; the fastest counts.
const RUNS: usize = 5;

fn milliseconds(voxels: usize, pixels: usize) -> Result<f64, DrrError> {
    // The same 256 mm of body, cut finer or coarser.
    let spacing = 256.0 / voxels as f64;
    let affine = Affine::axis_aligned([spacing; 3], [-128.0 + spacing / 2.0; 3]);
    let mut body = Volume::filled([voxels; 3], affine, 0.02f32);
    body.data
        .iter_mut()
        .enumerate()
        .for_each(|(n, v)| *v += 1e-4 * (n % 7) as f32);
    let pose = Pose {
        yaw: 9.0,
        pitch: 4.0,
        ..Pose::default()
    };
    // Every ray goes through the body.
    let pixel = 180.0 / pixels as f64;
    let g = Geometry::of_view(
        View::Pa,
        [0.0; 3],
        &pose,
        Beam::Perspective,
        1800.0,
        1600.0,
        pixel,
        (pixels, pixels),
    )?;
    let projector = Projector::new(&body, |v| v)?;
    projector.project(&g.resized(32, 32), Method::Siddon);
    let mut best = f64::INFINITY;
    for _ in 0..RUNS {
        let start = Instant::now();
        std::hint::black_box(projector.project(&g, Method::Siddon));
        best = best.min(start.elapsed().as_secs_f64() * 1e3);
    }
    Ok(best)
}

/// Slope of log time against log size by least squares.
fn slope(points: &[(f64, f64)]) -> f64 {
    let n = points.len() as f64;
    let mean = |f: fn(&(f64, f64)) -> f64| points.iter().map(f).sum::<f64>() / n;
    let (mx, my) = (mean(|p| p.0.ln()), mean(|p| p.1.ln()));
    let up: f64 = points
        .iter()
        .map(|p| (p.0.ln() - mx) * (p.1.ln() - my))
        .sum();
    up / points.iter().map(|p| (p.0.ln() - mx).powi(2)).sum::<f64>()
}

fn main() -> Result<(), DrrError> {
    println!(
        "{:>8} {:>10} {:>10} {:>14}",
        "voxels", "rays", "ms", "ns/ray/voxel"
    );
    let show = |voxels: usize, pixels: usize| -> Result<f64, DrrError> {
        let ms = milliseconds(voxels, pixels)?;
        let rays = pixels * pixels;
        println!(
            "{:>6}^3 {rays:>10} {ms:>10.2} {:>14.3}",
            voxels,
            1e6 * ms / rays as f64 / voxels as f64
        );
        Ok(ms)
    };
    let mut rays = Vec::new();
    for pixels in [128, 256, 512, 1024] {
        rays.push(((pixels * pixels) as f64, show(192, pixels)?));
    }
    let mut voxels = Vec::new();
    for side in [64, 96, 128, 192, 256] {
        voxels.push((side as f64, show(side, 512)?));
    }
    println!(
        "time grows with rays to the power {:.2}, with voxels on the way to the power {:.2}",
        slope(&rays),
        slope(&voxels)
    );
    Ok(())
}
