//! The readers against the project's data pack; skipped where it is not.

use hilum_data::duplicates::{DuplicateConfig, Fingerprint, find_pairs};
use hilum_data::pixels::{Arrays, load_gray};
use hilum_data::sets::{medmnist, nih, openi, siim, vindr};
use hilum_data::{CheckConfig, Labels, Manifest, Sample, Vocabulary, check, scan, split_hash};
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

const CHEST: &[&str] = &[
    "nih14",
    "nih14_64px",
    "nih14_full",
    "jsrt",
    "kermany_paediatric",
    "covid_cohen",
    "covid_structures",
    "covid_actualmed",
    "covid_figure1",
    "full_resolution",
    "tb_samples",
    "iu_xray",
];

/// The folder `../shared/data/<part>`, or a message and nothing.
fn pack(part: &str) -> Option<PathBuf> {
    let path = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data")).join(part);
    if path.exists() {
        return Some(path);
    }
    eprintln!("skipped: this test needs ../shared/data/{part}, which is not here");
    None
}

#[test]
fn manifests_hold_what_their_description_says() {
    let Some(root) = pack("manifests").and_then(|p| p.parent().map(Path::to_owned)) else {
        return;
    };
    let all = Manifest::of_sets(&root, CHEST).unwrap();
    let report = scan(&all.samples, None);
    assert!(report.missing.is_empty(), "{:?}", report.missing.first());
    for (set, scan) in &report.sets {
        assert!(scan.unmapped.is_empty(), "{set}: {:?}", scan.unmapped);
        assert!(scan.conflicts.is_empty(), "{set}: {:?}", scan.conflicts);
    }
    let nih = &report.sets["nih14"];
    assert_eq!(
        (
            nih.images,
            nih.labels["no_finding"].positive,
            nih.labels["pneumonia"].positive
        ),
        (883, 441, 437)
    );
    assert_eq!(nih.labels["pneumonia"].negative, 883 - 437);
    assert_eq!(nih.boxes.values().sum::<usize>(), 231);
    let kermany = &report.sets["kermany_paediatric"];
    assert_eq!(
        (
            kermany.labels["pneumonia"].positive,
            kermany.labels["bacterial_pneumonia"].positive
        ),
        (1750, 950)
    );
    assert_eq!(kermany.masks["lungs"], 2695);
    assert_eq!(report.sets["jsrt"].masks["heart"], 208);
    assert_eq!(
        report.sets["covid_cohen"].labels["covid_19"].positive,
        345 + 12
    );
    let unlabelled = report.sets["covid_cohen"].images - report.sets["covid_cohen"].labelled;
    assert_eq!(unlabelled, 70 + 1, "todo and Unknown");
    assert_eq!(
        split_hash(&all.samples),
        split_hash(&all.samples.iter().rev().cloned().collect::<Vec<_>>())
    );
}

#[test]
fn every_manifest_of_images_is_readable() {
    let Some(folder) = pack("manifests") else {
        return;
    };
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if !path.to_string_lossy().ends_with("_boxes.csv") {
            let manifest = Manifest::read(&path).unwrap();
            assert!(!manifest.samples.is_empty(), "{}", path.display());
        }
    }
}

#[test]
fn no_patient_is_in_two_splits() {
    let Some(root) = pack("manifests").and_then(|p| p.parent().map(Path::to_owned)) else {
        return;
    };
    let all = Manifest::of_sets(&root, CHEST).unwrap();
    assert!(hilum_data::check::patient_leaks(&all.samples).is_empty());
    let small = all.filter(|s| {
        ["jsrt", "covid_figure1", "covid_actualmed", "iu_xray"].contains(&s.set.as_str())
    });
    let report = check(
        &small.samples,
        &CheckConfig {
            content: true,
            ..CheckConfig::default()
        },
        None,
    )
    .unwrap();
    assert!(
        report.unreadable.is_empty()
            && report.changed.is_empty()
            && report.size_mismatches.is_empty()
    );
    assert!(
        report.duplicate_leaks.is_empty(),
        "{:?}",
        report.duplicate_leaks
    );
}

/// The same films are in the pack at 512 and at 64 pixels: every such pair must be found, and pairs of different
/// patients must not.
#[test]
fn copies_of_another_size_are_found_and_other_patients_are_not() {
    let Some(root) = pack("manifests").and_then(|p| p.parent().map(Path::to_owned)) else {
        return;
    };
    let all = Manifest::of_sets(&root, &["nih14", "nih14_64px"])
        .unwrap()
        .samples;
    let name = |s: &Sample| s.extra("original_filename").unwrap_or("").to_owned();
    let prints: Vec<_> = all
        .iter()
        .map(|s| {
            let plane = load_gray(&s.pixels, Default::default(), &Arrays::default()).unwrap();
            Some(Fingerprint::new(plane, s.path()).unwrap())
        })
        .collect();
    let mut by_name: HashMap<String, Vec<usize>> = HashMap::new();
    all.iter()
        .enumerate()
        .for_each(|(i, s)| by_name.entry(name(s)).or_default().push(i));
    let copies: Vec<_> = by_name.values().filter(|v| v.len() == 2).collect();
    let worst = |f: &dyn Fn(&Fingerprint, &Fingerprint) -> f32| {
        let value = |v: &&Vec<usize>| {
            f(
                prints[v[0]].as_ref().unwrap(),
                prints[v[1]].as_ref().unwrap(),
            )
        };
        copies.iter().map(value).fold(f32::INFINITY, f32::min)
    };
    let lowest = worst(&|a, b| a.correlation(b));
    let farthest = -worst(&|a, b| -(a.distance(b) as f32));
    let pairs = find_pairs(&prints, &DuplicateConfig::default(), |a, b| {
        name(&all[a]) != name(&all[b])
    });
    let strangers = pairs
        .iter()
        .filter(|p| all[p.a].patient != all[p.b].patient)
        .count();
    eprintln!(
        "{} copies: correlation at least {lowest:.4}, distance at most {farthest}",
        copies.len()
    );
    eprintln!(
        "{} other pairs, {strangers} of different patients",
        pairs.len()
    );
    let config = DuplicateConfig::default();
    assert!(lowest >= config.min_correlation && farthest <= config.max_distance as f32);
    assert!(strangers <= 2, "{strangers} pairs of different patients");
}

#[test]
fn nih_tables_are_read_whole() {
    let Some(labels) = pack("labels") else { return };
    let all = nih::read_entries(&labels.join("nih_data_entry_2017_v2020.csv.gz"), |name| {
        Some(Sample::new(
            "nih_chestxray14",
            name,
            hilum_data::Pixels::File(name.into()),
        ))
    })
    .unwrap();
    assert!(all.len() > 50_000, "{}", all.len());
    assert!(all.iter().all(|s| !s.labels.is_empty()
        && s.original_size.is_some()
        && s.labels.conflicts().is_empty()));
    let boxes = nih::read_boxes(&labels.join("nih_bbox_list_2017.csv.gz")).unwrap();
    assert!(
        boxes
            .values()
            .flatten()
            .all(|b| b.code.is_some() && b.rect.w > 0.0)
    );
}

#[test]
fn siim_and_vinbigdata_tables_are_read_whole() {
    let Some(labels) = pack("labels") else { return };
    let masks = siim::read_runs(&labels.join("siim_pneumothorax_rle_sample600.csv.gz")).unwrap();
    assert_eq!(masks.len(), 600);
    assert!(masks.values().any(|m| !m.is_empty()) && masks.values().any(Vec::is_empty));
    let mut readings = BTreeMap::new();
    vindr::read_boxes(
        &labels.join("vinbigdata_boxes_sample1000.csv.gz"),
        &mut readings,
    )
    .unwrap();
    assert_eq!(readings.len(), 1000);
    let vocabulary = Vocabulary::of("vinbigdata").unwrap();
    let all: Vec<Labels> = readings.values().map(|r| r.labels(vocabulary)).collect();
    assert!(all.iter().all(|l| l.unmapped().is_empty()));
    assert!(all.iter().filter(|l| l.is_positive("no_finding")).count() > 500);
}

#[test]
fn every_open_i_report_is_read() {
    let Some(archive) = pack("text/iu_reports_xml.tgz") else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let done = std::process::Command::new("tar")
        .arg("xzf")
        .arg(&archive)
        .arg("-C")
        .arg(dir.path())
        .status();
    if !done.is_ok_and(|s| s.success()) {
        eprintln!("skipped: this test needs the program tar, which is not here");
        return;
    }
    let vocabulary = Vocabulary::of("openi").unwrap();
    let (mut reports, mut normal, mut with_findings) = (0, 0, 0);
    for entry in std::fs::read_dir(dir.path().join("iu_reports_xml")).unwrap() {
        let report =
            openi::parse_report(&std::fs::read_to_string(entry.unwrap().path()).unwrap()).unwrap();
        reports += 1;
        with_findings += usize::from(report.section("FINDINGS").is_some());
        normal += usize::from(vocabulary.read(&report.mesh).is_positive("no_finding"));
    }
    assert_eq!((reports, with_findings), (3455, 3005));
    assert!(normal > 1000, "{normal}");
}

#[test]
fn the_small_arrays_are_medmnist_shaped() {
    let Some(file) = pack("arrays/kermany28.npz") else {
        return;
    };
    let all = medmnist::load_pneumonia(&file).unwrap();
    assert!(all.len() > 2000);
    let arrays = Arrays::load(all.iter().map(|s| &s.pixels)).unwrap();
    let plane = load_gray(&all[0].pixels, Default::default(), &arrays).unwrap();
    assert_eq!((plane.width, plane.height), (28, 28));
}
