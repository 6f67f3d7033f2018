//! Sets from end to end, small.

#![allow(clippy::unwrap_used)]

use hilum_phantom::anatomy::{Organ, Thorax};
use hilum_phantom::dataset::{Settings, generate};
use hilum_phantom::findings::Kind;
use hilum_phantom::findings::draw::one;
use hilum_phantom::lobes::Lobe;
use hilum_phantom::patient::{Exposure, Patient};
use hilum_phantom::random::{Draws, Purpose};
use hilum_phantom::render::{Scene, Tissue};
use hilum_phantom::truth::StudyTruth;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::Path;

fn small(studies: u64) -> Settings {
    Settings {
        studies,
        size: 64,
        seed: 7,
        ..Settings::default()
    }
}

fn hashes(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut all = BTreeMap::new();
    for name in ["images", "masks", "manifests", "."] {
        for entry in std::fs::read_dir(folder.join(name)).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                all.insert(
                    path.strip_prefix(folder).unwrap().display().to_string(),
                    Sha256::digest(std::fs::read(&path).unwrap()).to_vec(),
                );
            }
        }
    }
    all
}

#[test]
fn the_same_seed_gives_the_same_bytes_however_it_is_run() {
    let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let whole = generate(a.path(), &small(3), || ()).unwrap();
    assert_eq!((whole.made, whole.kept), (3, 0));
    // On one thread, stopped after the first study, one file of the second cut short.
    let one = rayon::ThreadPoolBuilder::new()
        .num_threads(1)
        .build()
        .unwrap();
    one.install(|| generate(b.path(), &small(1), || ()))
        .unwrap();
    let part = std::fs::read_dir(a.path().join("parts"))
        .unwrap()
        .map(|e| e.unwrap().path())
        .max()
        .unwrap();
    std::fs::write(
        b.path().join("parts").join(part.file_name().unwrap()),
        b"{\"rows\":[",
    )
    .unwrap();
    let rest = one
        .install(|| generate(b.path(), &small(3), || ()))
        .unwrap();
    assert_eq!((rest.made, rest.kept), (2, 1));
    assert_eq!(hashes(a.path()), hashes(b.path()));
    let error = generate(
        b.path(),
        &Settings {
            seed: 8,
            ..small(3)
        },
        || (),
    )
    .unwrap_err()
    .to_string();
    assert!(error.contains("other settings"), "{error}");
}

#[test]
fn everything_that_is_listed_is_there() {
    let dir = tempfile::tempdir().unwrap();
    generate(dir.path(), &small(4), || ()).unwrap();
    let mut rows = csv::Reader::from_path(dir.path().join("manifest.csv")).unwrap();
    let header = rows.headers().unwrap().clone();
    for name in [
        "path",
        "set",
        "split",
        "patient_id",
        "view",
        "labels",
        "mask_path",
        "width",
        "height",
        "sex",
        "age",
        "sha256",
    ] {
        assert!(header.iter().any(|h| h == name), "{name}");
    }
    let mut images = 0;
    for row in rows.deserialize::<BTreeMap<String, String>>() {
        let row = row.unwrap();
        images += 1;
        let bytes = std::fs::read(dir.path().join(&row["path"])).unwrap();
        let hash: String = Sha256::digest(&bytes)
            .iter()
            .map(|b| format!("{b:02x}"))
            .collect();
        assert_eq!(hash, row["sha256"]);
        for mask in row["mask_path"].split(';') {
            assert!(
                dir.path().join(mask.split_once('=').unwrap().1).exists(),
                "{mask}"
            );
        }
    }
    let truth = std::fs::read_to_string(dir.path().join("truth.jsonl")).unwrap();
    let studies: Vec<StudyTruth> = truth
        .lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect();
    assert_eq!(studies.iter().map(|s| s.views.len()).sum::<usize>(), images);
    let reports = std::fs::read_to_string(dir.path().join("reports.jsonl")).unwrap();
    assert_eq!(reports.lines().count(), 4);
    for study in studies {
        let ratio = study.measurements.cardiothoracic_ratio.unwrap();
        let enlarged = study.findings.iter().any(|f| f.kind == Kind::Cardiomegaly);
        assert!(ratio > 0.3 && ratio < 0.8, "{ratio}");
        // The picture magnifies the heart a little more than the ribs, and breathing out widens it.
        assert!(enlarged || ratio < 0.58, "{ratio}");
    }
}

fn with(kind: Kind, size: f64) -> Thorax {
    let patient = Patient::draw(3, 5);
    let mut d = Draws::new(3, Purpose::Findings, 5, 9);
    let mut finding = one(kind, 1.0, 1, &patient, &mut d);
    finding.size = size;
    let exposure = Exposure::draw(3, 5, 0, false);
    Thorax::new(patient, exposure, vec![finding], 3)
}

#[test]
fn findings_grow_with_their_size_and_stay_on_their_side() {
    for (kind, sizes) in [
        (Kind::Effusion, [0.3, 0.7]),
        (Kind::Pneumothorax, [10.0, 35.0]),
        (Kind::Nodule, [10.0, 25.0]),
        (Kind::Consolidation, [25.0, 45.0]),
    ] {
        let mut areas = Vec::new();
        for size in sizes {
            let thorax = with(kind, size);
            let scene = Scene::new(&thorax, 3);
            let geometry = scene.geometry(false, 128).unwrap();
            let mask = scene
                .finding(&thorax.findings[0], &geometry)
                .unwrap()
                .unwrap();
            // The patient's left is on the right of the picture.
            let right = (0..128 * 128)
                .filter(|at| mask.data[*at] != 0 && at % 128 < 60)
                .count();
            assert!(right * 10 <= mask.count(), "{kind:?}");
            areas.push(mask.count());
        }
        assert!(areas[1] > areas[0] && areas[0] > 0, "{kind:?} {areas:?}");
    }
}

#[test]
fn bone_and_soft_tissue_add_up_and_a_nodule_has_its_size() {
    let thorax = with(Kind::Nodule, 24.0);
    let scene = Scene::new(&thorax, 3);
    let geometry = scene.geometry(false, 256).unwrap();
    let part = |t| scene.integrals(&geometry, false, t).unwrap();
    let (all, soft, bone) = (part(Tissue::All), part(Tissue::Soft), part(Tissue::Bone));
    for ((a, s), b) in all.data.iter().zip(&soft.data).zip(&bone.data) {
        assert!((a - s - b).abs() < 2e-3, "{a} {s} {b}");
    }
    let mask = scene
        .finding(&thorax.findings[0], &geometry)
        .unwrap()
        .unwrap();
    let place = thorax.to_mm(thorax.findings[0].centre);
    let mm = geometry.pixel / geometry.magnification(place);
    let wide = 2.0 * (mask.count() as f64 / std::f64::consts::PI).sqrt() * mm;
    // Its axes are 80 to 100 % of its size; spikes may add a little.
    assert!(wide > 0.78 * 24.0 && wide < 1.3 * 24.0, "{wide}");
}

#[test]
fn the_volume_projects_to_the_picture() {
    let thorax = with(Kind::Effusion, 0.4);
    let scene = Scene::new(&thorax, 3);
    let geometry = scene.geometry(false, 96).unwrap();
    let drawn = scene.integrals(&geometry, false, Tissue::All).unwrap();
    let volume = scene.volume();
    // A slice alone is that of the whole.
    let height = volume.affine.apply([0.0, 0.0, 101.0])[2];
    let slice = scene.slice(height + 0.4);
    let start = volume.at(0, 0, 101);
    assert_eq!(slice.data, volume.data[start..start + slice.data.len()]);
    assert_eq!(slice.affine.origin[2], height);
    let mu = hilum_drr::attenuation::Attenuation::default();
    let projected = hilum_drr::Projector::new(&volume, |hu| mu.of(hu))
        .unwrap()
        .project(&geometry, hilum_drr::Method::Trilinear);
    let n = drawn.data.len() as f64;
    let mean = |v: &[f32]| v.iter().map(|&x| f64::from(x)).sum::<f64>() / n;
    let (a, b) = (mean(&drawn.data), mean(&projected.data));
    let dot = |x: &[f32], y: &[f32]| {
        x.iter()
            .zip(y)
            .map(|(p, q)| (f64::from(*p) - a) * (f64::from(*q) - b))
            .sum::<f64>()
    };
    let r = dot(&drawn.data, &projected.data)
        / (dot(&drawn.data, &drawn.data) * dot(&projected.data, &projected.data)).sqrt();
    assert!(r > 0.995, "{r}");
    assert!((a / b - 1.0).abs() < 0.02, "{a} {b}");
}

#[test]
fn volumes_come_with_labels_and_lobes_make_the_lungs() {
    let dir = tempfile::tempdir().unwrap();
    let settings = Settings {
        volumes: true,
        ..small(1)
    };
    generate(dir.path(), &settings, || ()).unwrap();
    let of = |end: &str| {
        let path = dir.path().join(format!("volumes/ph7-000000-0{end}.nii.gz"));
        hilum_volume::nifti::read(&path).unwrap().0
    };
    let (ct, labels) = (of(""), of("-labels"));
    assert!(labels.same_grid(&ct));
    let names = std::fs::read_to_string(dir.path().join("structures.csv")).unwrap();
    let mean = |id: f32| {
        let all: Vec<f32> = ct
            .data
            .iter()
            .zip(&labels.data)
            .filter(|(_, l)| **l == id)
            .map(|(hu, _)| *hu)
            .collect();
        (all.len(), all.iter().sum::<f32>() / all.len() as f32)
    };
    for id in [10.0, 11.0, 12.0, 13.0, 14.0] {
        let (voxels, hu) = mean(id);
        assert!(
            voxels > 5000 && hu < -500.0,
            "{id}: {voxels} voxels of {hu} HU"
        );
    }
    assert!(mean(51.0).1 > -50.0 && mean(16.0).1 < -700.0);
    for l in [12, 51, 150] {
        assert!(names.contains(&format!(",{l}\n")), "{l}");
    }
    assert!(
        dir.path()
            .join("masks/ph7-000000-0-frontal-left_upper_lobe.png")
            .is_file()
    );
}

#[test]
fn lobes_make_up_the_silhouette_of_their_lung() {
    let thorax = Thorax::new(
        Patient::draw(3, 1),
        Exposure::draw(3, 1, 0, false),
        Vec::new(),
        3,
    );
    let scene = Scene::new(&thorax, 3);
    for lateral in [false, true] {
        let g = scene.geometry(lateral, 96).unwrap();
        for (organ, side) in [(Organ::RightLung, -1.0), (Organ::LeftLung, 1.0)] {
            let lung = scene.organ(organ, &g).unwrap();
            let mut union = lung.map(|_| 0u8);
            for lobe in Lobe::ALL.into_iter().filter(|l| l.side() == side) {
                let mask = scene.lobe(lobe, &g).unwrap();
                assert!(mask.count() * 12 > lung.count(), "{lobe:?}");
                union = union.or(&mask).unwrap();
            }
            // But for rounding where the fissures meet the edge.
            let off = union.minus(&lung).unwrap().count() + lung.minus(&union).unwrap().count();
            assert!(off * 40 < lung.count(), "{off} of {}", lung.count());
        }
    }
}
