//! How exact the projector is on bodies whose chords are known, and whether the sum stays the same from every angle:
//!
//!     cargo run --release -p hilum-drr --example accuracy

use hilum_drr::geometry::{Beam, Geometry, Pose, View};
use hilum_drr::{DrrError, Method, Projector};
use hilum_volume::affine::{cross, dot, norm, sub, unit};
use hilum_volume::{Affine, Vec3, Volume};

fn turned(beam: Beam, yaw: f64, pitch: f64, pixels: usize) -> Result<Geometry, DrrError> {
    let pose = Pose {
        yaw,
        pitch,
        ..Pose::default()
    };
    let pixel = 150.0 / pixels as f64;
    Geometry::of_view(
        View::Pa,
        [0.0; 3],
        &pose,
        beam,
        1800.0,
        1600.0,
        pixel,
        (pixels, pixels),
    )
}

/// Largest and mean relative error against `chord` over rays whose chord is over 20 mm.
fn errors(g: &Geometry, sums: &hilum_image::Gray, chord: impl Fn(Vec3, Vec3) -> f64) -> (f64, f64) {
    let (mut worst, mut sum, mut n) = (0f64, 0.0, 0);
    for y in 0..g.height {
        for x in 0..g.width {
            let ray = g.ray(x as f64, y as f64);
            let want = chord(ray.from, unit(sub(ray.to, ray.from)));
            if want > 20.0 {
                let off = (f64::from(sums.data[y * g.width + x]) / want - 1.0).abs();
                (worst, sum, n) = (worst.max(off), sum + off, n + 1);
            }
        }
    }
    (worst, sum / f64::from(n.max(1)))
}

fn ball_chord(from: Vec3, way: Vec3) -> f64 {
    let across = norm(cross(from.map(|v| -v), way));
    2.0 * (40.0f64.powi(2) - across * across).max(0.0).sqrt()
}

fn box_chord(from: Vec3, way: Vec3) -> f64 {
    let (mut near, mut far) = (f64::NEG_INFINITY, f64::INFINITY);
    for k in 0..3 {
        let half = [30.0, 20.0, 25.0][k];
        let (a, b) = ((-half - from[k]) / way[k], (half - from[k]) / way[k]);
        near = near.max(a.min(b));
        far = far.min(a.max(b));
    }
    (far - near).max(0.0)
}

fn main() -> Result<(), DrrError> {
    let affine = Affine::axis_aligned([0.4; 3], [-49.8; 3]);
    let mut ball = Volume::filled([250; 3], affine, 0f32);
    for at in 0..ball.data.len() {
        // Share of the voxel inside, from its distance to the surface.
        let p = affine.apply(ball.index_of(at).map(|v| v as f64));
        ball.data[at] = (0.5 - (dot(p, p).sqrt() - 40.0) / 0.4).clamp(0.0, 1.0) as f32;
    }
    let affine = Affine::axis_aligned([1.0; 3], [-29.5, -19.5, -24.5]);
    let block = Volume::filled([60, 40, 50], affine, 1f32);
    println!(
        "{:<10} {:<12} {:>12} {:>12}",
        "body", "from", "worst error", "mean error"
    );
    let mut energies = Vec::new();
    for (yaw, pitch) in [
        (0.0, 0.0),
        (17.0, 0.0),
        (45.0, 10.0),
        (90.0, 0.0),
        (133.0, -8.0),
    ] {
        let g = turned(Beam::Perspective, yaw, pitch, 256)?;
        for (name, volume) in [("ball", &ball), ("box", &block)] {
            let sums = Projector::new(volume, |v| v)?.project(&g, Method::Siddon);
            let (worst, mean) = match name {
                "ball" => errors(&g, &sums, ball_chord),
                _ => errors(&g, &sums, box_chord),
            };
            println!(
                "{name:<10} {yaw:>4} {pitch:>4}    {:>10.4} % {:>10.4} %",
                100.0 * worst,
                100.0 * mean
            );
        }
        let g = turned(Beam::Parallel, yaw, pitch, 512)?;
        let sums = Projector::new(&ball, |v| v)?.project(&g, Method::Siddon);
        let sum: f64 = sums.data.iter().map(|v| f64::from(*v)).sum();
        energies.push(sum * g.pixel * g.pixel);
    }
    let voxels: f64 = ball
        .data
        .iter()
        .map(|v| f64::from(*v) * 0.4f64.powi(3))
        .sum();
    let worst = energies
        .iter()
        .map(|e| (e / voxels - 1.0).abs())
        .fold(0.0, f64::max);
    println!(
        "sum over the picture against the sum over the voxels, parallel rays: at most {:.4} % off",
        100.0 * worst
    );
    Ok(())
}
