//! Checkpoints written by PyTorch (`fixtures/pth/make.py`) read back, and damaged ones refused.

#![allow(clippy::unwrap_used, reason = "a failed step fails the test")]

use hilum_nn::weights::pth::{PthError, RawTensor, read_pth};
use proptest::prelude::*;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::io::{Cursor, Read, Write};
use std::path::PathBuf;
use std::process::Command;

#[derive(Deserialize)]
struct Expected {
    shape: Vec<usize>,
    data: Vec<f32>,
}

fn fixture(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/pth")
        .join(name);
    std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn expected() -> BTreeMap<String, BTreeMap<String, Expected>> {
    serde_json::from_slice(&fixture("expected.json")).unwrap()
}

#[test]
fn every_checkpoint_has_the_values_of_pytorch() {
    let files = expected();
    assert_eq!(files.len(), 8);
    for (name, want) in files {
        let got = read_pth(&fixture(&name)).unwrap_or_else(|e| panic!("{name}: {e}"));
        let keys: Vec<_> = want.keys().collect();
        assert_eq!(got.keys().collect::<Vec<_>>(), keys, "{name}");
        for (key, want) in want {
            let want = RawTensor {
                shape: want.shape,
                data: want.data,
            };
            assert_eq!(got[&key], want, "{name} {key}");
        }
    }
}

#[test]
fn other_content_is_refused_with_its_reason() {
    assert!(matches!(
        read_pth(&fixture("sparse.pth")),
        Err(PthError::UnsupportedTensor { key, .. }) if key == "t"
    ));
    assert!(matches!(
        read_pth(&fixture("list.pth")),
        Err(PthError::NoStateDict { .. })
    ));
}

#[test]
fn torchscript_is_refused() {
    let mut zip = zip::ZipWriter::new_append(Cursor::new(fixture("state.pth"))).unwrap();
    let options = zip::write::SimpleFileOptions::default();
    zip.start_file("state/constants.pkl", options).unwrap();
    let bytes = zip.finish().unwrap().into_inner();
    assert!(matches!(read_pth(&bytes), Err(PthError::TorchScript)));
}

/// The archive with its entries changed by `change`, written anew.
fn rewritten(
    bytes: &[u8],
    method: zip::CompressionMethod,
    change: impl Fn(&str, Vec<u8>) -> Vec<u8>,
) -> Vec<u8> {
    let mut from = zip::ZipArchive::new(Cursor::new(bytes)).unwrap();
    let mut to = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default().compression_method(method);
    for i in 0..from.len() {
        let mut entry = from.by_index(i).unwrap();
        let name = entry.name().unwrap().into_owned();
        let mut data = Vec::new();
        entry.read_to_end(&mut data).unwrap();
        to.start_file(&name, options).unwrap();
        to.write_all(&change(&name, data)).unwrap();
    }
    to.finish().unwrap().into_inner()
}

#[test]
fn a_compressed_archive_reads_the_same() {
    let stored = fixture("state.pth");
    let packed = rewritten(&stored, zip::CompressionMethod::Deflated, |_, data| data);
    assert_eq!(read_pth(&packed).unwrap(), read_pth(&stored).unwrap());
}

#[test]
fn big_endian_is_refused() {
    let big = rewritten(
        &fixture("state.pth"),
        zip::CompressionMethod::Stored,
        |name, data| {
            if name.ends_with("byteorder") {
                b"big".to_vec()
            } else {
                data
            }
        },
    );
    assert!(matches!(read_pth(&big), Err(PthError::ByteOrder { found }) if found == "big"));
}

#[test]
fn a_short_storage_is_out_of_bounds() {
    let short = rewritten(
        &fixture("state.pth"),
        zip::CompressionMethod::Stored,
        |name, data| {
            if name.contains("/data/") {
                data[..data.len() / 2].to_vec()
            } else {
                data
            }
        },
    );
    assert!(matches!(
        read_pth(&short),
        Err(PthError::OutOfBounds { .. })
    ));
}

#[test]
fn a_bomb_is_too_large() {
    let bomb = rewritten(
        &fixture("state.pth"),
        zip::CompressionMethod::Deflated,
        |name, data| {
            if name.ends_with("/data/0") {
                vec![0; 64 << 20]
            } else {
                data
            }
        },
    );
    assert!(bomb.len() < 200_000);
    assert!(matches!(read_pth(&bomb), Err(PthError::TooLarge { .. })));
}

/// A tensor of 10^9 equal elements with stride 0, and 2^40 paths through 40 shared modules.
#[test]
fn small_files_do_not_become_huge() {
    let stride = read_pth(&fixture("stride_bomb.pth"));
    assert!(matches!(stride, Err(PthError::TooLarge { .. })));
    let modules = read_pth(&fixture("module_bomb.pth"));
    assert!(matches!(
        modules,
        Err(PthError::TooLarge { .. } | PthError::TooNested { .. })
    ));
}

#[test]
fn every_truncation_is_an_error() {
    for name in ["module.pth", "module_legacy.pth", "state_legacy.pth"] {
        let bytes = fixture(name);
        for end in (0..bytes.len()).step_by(7) {
            assert!(read_pth(&bytes[..end]).is_err(), "{name} cut at {end}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Changed bytes give other numbers or an error, never a panic. In the archive most of them fail
    /// the checksum, so its pickle is changed before it is packed.
    #[test]
    fn changed_bytes_never_panic(
        name in prop::sample::select(vec!["state", "nested", "module", "module_in_dict"]),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let change = |mut data: Vec<u8>| {
            for (at, value) in &changes {
                if !data.is_empty() {
                    let at = at.index(data.len());
                    data[at] = *value;
                }
            }
            data
        };
        let _ = read_pth(&change(fixture(&format!("{name}_legacy.pth"))));
        let zipped = fixture(&format!("{name}.pth"));
        let inner = rewritten(&zipped, zip::CompressionMethod::Stored, |entry, data| {
            if entry.ends_with("data.pkl") { change(data) } else { data }
        });
        let _ = read_pth(&inner);
        let _ = read_pth(&change(zipped));
    }
}

/// A Python with the packages that a test needs: `HILUM_PYTHON`, else the workspace's `.venv`.
fn python() -> PathBuf {
    let venv = concat!(env!("CARGO_MANIFEST_DIR"), "/../../.venv/bin/python");
    std::env::var_os("HILUM_PYTHON").map_or_else(|| PathBuf::from(venv), PathBuf::from)
}

/// Saves a whole torchxrayvision DenseNet in both formats, and sums of its state dict.
const XRV: &str = r#"
import json, sys, torch, torchxrayvision as xrv
torch.manual_seed(1)
model = xrv.models.DenseNet(num_classes=18, in_channels=1, weights=None)
sums = {k: [list(v.shape), v.double().sum().item()] for k, v in model.state_dict().items()}
torch.save(model, sys.argv[1] + "/new.pt")
torch.save(model, sys.argv[1] + "/old.pt", _use_new_zipfile_serialization=False)
json.dump(sums, open(sys.argv[1] + "/sums.json", "w"))
"#;

#[test]
fn a_whole_torchxrayvision_module_reads() {
    let folder = tempfile::tempdir().unwrap();
    let made = Command::new(python())
        .args(["-W", "ignore", "-c", XRV])
        .arg(folder.path())
        .output();
    if !made.as_ref().is_ok_and(|o| o.status.success()) {
        eprintln!("skipped: needs a Python with torch and torchxrayvision (HILUM_PYTHON)");
        return;
    }
    let sums = std::fs::read(folder.path().join("sums.json")).unwrap();
    let sums: BTreeMap<String, (Vec<usize>, f64)> = serde_json::from_slice(&sums).unwrap();
    for name in ["new.pt", "old.pt"] {
        let bytes = std::fs::read(folder.path().join(name)).unwrap();
        let got = read_pth(&bytes).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(
            got.keys().collect::<Vec<_>>(),
            sums.keys().collect::<Vec<_>>(),
            "{name}"
        );
        for (key, (shape, sum)) in &sums {
            let tensor = &got[key];
            let ours: f64 = tensor.data.iter().map(|&v| f64::from(v)).sum();
            assert_eq!(&tensor.shape, shape, "{name} {key}");
            assert!(
                (ours - sum).abs() <= 1e-9 * sum.abs().max(1.0),
                "{name} {key}"
            );
        }
    }
}
