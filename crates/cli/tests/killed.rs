//! Sets whose making is killed in the middle: the same command goes on, and the bytes are those of an unbroken run.

#![cfg(all(unix, feature = "ct"))]
#![allow(clippy::unwrap_used)]

use hilum_volume::{Affine, Volume, nifti};
use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const SIGKILL: i32 = 9;

fn start(args: &str, folder: &Path) -> Child {
    Command::new(env!("CARGO_BIN_EXE_hilum"))
        .args(args.split(' '))
        .current_dir(folder)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

fn whole(args: &str, folder: &Path) {
    assert!(start(args, folder).wait().unwrap().success(), "{args}");
}

/// Files in a folder, sub-folders included, with their bytes.
fn contents(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut all = BTreeMap::new();
    let mut open = vec![folder.to_owned()];
    while let Some(next) = open.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().to_owned();
                all.insert(name, std::fs::read(&path).unwrap());
            }
        }
    }
    all
}

fn files(folder: &Path) -> usize {
    std::fs::read_dir(folder).map_or(0, |all| all.count())
}

/// Starts a command and kills it as soon as `folder` holds `count` files: a kill that nothing in the program can catch.
fn killed(args: &str, at: &Path, folder: &str, count: usize) {
    let folder = at.join(folder);
    let mut child = start(args, at);
    let patience = Instant::now() + Duration::from_secs(120);
    while files(&folder) < count {
        assert!(
            Instant::now() < patience,
            "{args}: {count} files never came"
        );
        assert!(
            child.try_wait().unwrap().is_none(),
            "{args}: ended before it could be killed"
        );
        std::thread::sleep(Duration::from_millis(1));
    }
    child.kill().unwrap();
    assert_eq!(child.wait().unwrap().signal(), Some(SIGKILL), "{args}");
}

fn same(one: &Path, two: &Path) {
    let (a, b) = (contents(one), contents(two));
    let names = |all: &BTreeMap<PathBuf, Vec<u8>>| all.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&a), names(&b));
    for (name, bytes) in &a {
        assert!(bytes == &b[name], "{}", name.display());
    }
}

#[test]
fn a_killed_phantom_goes_on_to_the_same_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path();
    let make = |out: &str, jobs: usize| {
        format!(
            "phantom --n 4 --seed 11 --size 48 --frontal-only --volumes --jobs {jobs} --out {out}"
        )
    };
    // Among the first study's masks, after its part, in a later study's volumes.
    killed(&make("broken", 1), at, "broken/masks", 3);
    killed(&make("broken", 1), at, "broken/parts", 1);
    killed(&make("broken", 2), at, "broken/volumes", 5);
    let made = files(&at.join("broken/parts"));
    assert!((1..4).contains(&made), "{made} parts after the kills");
    assert!(!at.join("broken/manifest.csv").exists());
    whole(&make("broken", 2), at);
    whole(&make("unbroken", 1), at);
    same(&at.join("unbroken"), &at.join("broken"));
}

/// Boxes of water with air around and a bright bar, another one for each number.
fn bodies(folder: &Path, count: usize) {
    for n in 0..count {
        let affine = Affine::axis_aligned([3.0; 3], [-120.0, -90.0, -120.0]);
        let mut ct = Volume::filled([80, 60, 80], affine, -1000i16);
        for at in 0..ct.data.len() {
            let [i, j, k] = ct.index_of(at);
            let body = (8..72).contains(&i) && (8..52).contains(&j);
            let bar = i.abs_diff(20 + 5 * n) < 3 && k > 30;
            ct.data[at] = match (body, bar) {
                (false, _) => -1000,
                (true, true) => 400,
                (true, false) => -200,
            };
        }
        let patient = folder.join(format!("p{n}"));
        std::fs::create_dir_all(&patient).unwrap();
        nifti::write(&ct, &patient.join(format!("ct{n}.nii.gz"))).unwrap();
    }
}

#[test]
fn a_killed_set_of_cts_goes_on_to_the_same_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path();
    bodies(&at.join("cts"), 4);
    let make = |out: &str| format!("drr-set drr-rate cts --size 256 --out {out}");
    killed(&make("broken"), at, "broken/images", 1);
    killed(&make("broken"), at, "broken/parts", 2);
    assert!(files(&at.join("broken/parts")) < 4);
    assert!(!at.join("broken/manifest.csv").exists());
    whole(&make("broken"), at);
    whole(&make("unbroken"), at);
    same(&at.join("unbroken"), &at.join("broken"));
}
