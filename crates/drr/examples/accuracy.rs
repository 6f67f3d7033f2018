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

/// Errors against known chords.
struct Errors {
    /// Largest relative error of a ray.
    worst: f64,
    /// Mean relative error of a ray.
    mean: f64,
    /// Of the sum over all rays.
    sum: f64,
}

/// Over rays whose chord is over `least` mm. A ray that grazes a curved body feels the steps of the voxels, whose fault is not the
/// projector's: its chord changes by many times what the surface is off.
fn errors(
    g: &Geometry,
    sums: &hilum_image::Gray,
    least: f64,
    chord: impl Fn(Vec3, Vec3) -> f64,
) -> Errors {
    let (mut worst, mut off, mut n) = (0f64, 0.0, 0);
    let (mut got, mut known) = (0.0, 0.0);
    for y in 0..g.height {
        for x in 0..g.width {
            let ray = g.ray(x as f64, y as f64);
            let want = chord(ray.from, unit(sub(ray.to, ray.from)));
            let seen = f64::from(sums.data[y * g.width + x]);
            (got, known) = (got + seen, known + want);
            if want > least {
                let error = (seen / want - 1.0).abs();
                (worst, off, n) = (worst.max(error), off + error, n + 1);
            }
        }
    }
    Errors {
        worst,
        mean: off / f64::from(n.max(1)),
        sum: (got / known - 1.0).abs(),
    }
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

/// The middle slices of the ball in voxels of side `h`: all that rays along them need.
fn disc(h: f64) -> Volume<f32> {
    let n = (80.0 / h).ceil() as usize + 4;
    let side = 0.5 * (n as f64 - 1.0) * h;
    let affine = Affine::axis_aligned([h; 3], [-side + 0.31 * h, -side - 0.17 * h, -3.63 * h]);
    let mut v = Volume::filled([n, n, 8], affine, 0f32);
    for at in 0..v.data.len() {
        let p = affine.apply(v.index_of(at).map(|v| v as f64));
        v.data[at] = (0.5 - (dot(p, p).sqrt() - 40.0) / h).clamp(0.0, 1.0) as f32;
    }
    v
}

/// How the worst single ray through a ball of 40 mm comes to its chord as voxels shrink.
fn convergence() -> Result<(), DrrError> {
    println!("single exact rays through a ball, chords over 64 mm, the worst of five sides");
    for h in [0.8, 0.4, 0.2, 0.1, 0.05] {
        let v = disc(h);
        let (mut worst, mut mean) = (0f64, 0.0);
        for yaw in [0.0, 17.0, 45.0, 90.0, 133.0] {
            let pixel = 1.3 * h;
            let g = Geometry {
                pixel,
                width: (52.0 / pixel) as usize,
                height: 3,
                ..turned(Beam::Perspective, yaw, 0.0, 256)?
            };
            let sums = Projector::new(&v, |v| v)?.project(&g, Method::Siddon);
            let e = errors(&g, &sums, 64.0, ball_chord);
            (worst, mean) = (worst.max(e.worst), mean + e.mean / 5.0);
        }
        println!(
            "voxels of {h:>5} mm {:>12.4} % {:>12.4} % on average",
            100.0 * worst,
            100.0 * mean
        );
    }
    Ok(())
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
        "{:<6} {:<12} {:<10} {:>14} {:>14} {:>14}",
        "body", "from", "rays", "worst ray", "mean ray", "sum of all"
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
        for (name, volume, method) in [
            ("box", &block, Method::Siddon),
            ("ball", &ball, Method::Siddon),
            ("ball", &ball, Method::Trilinear),
        ] {
            let sums = Projector::new(volume, |v| v)?.project(&g, method);
            let e = match name {
                "ball" => errors(&g, &sums, 64.0, ball_chord),
                _ => errors(&g, &sums, 20.0, box_chord),
            };
            let rays = match method {
                Method::Trilinear => "trilinear",
                _ => "siddon",
            };
            println!(
                "{name:<6} {yaw:>4} {pitch:>4}    {rays:<10} {:>12.4} % {:>12.4} % {:>12.4} %",
                100.0 * e.worst,
                100.0 * e.mean,
                100.0 * e.sum
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
    convergence()
}
