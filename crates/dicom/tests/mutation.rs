//! Damaged input: mutated and cut copies of small synthetic files never panic, and every error has a kind.

#![allow(clippy::unwrap_used)]

mod common;

use hilum_dicom::{FileKind, Limits, LoadError, Recipe, load, load_bytes};
use hilum_image::{Plane, draw};
use proptest::prelude::*;
use std::path::Path;

const KINDS: [&str; 12] = [
    "io",
    "empty",
    "not_an_image",
    "truncated",
    "no_pixel_data",
    "too_large",
    "unsupported_transfer_syntax",
    "unsupported_photometric",
    "unsupported_pixel_format",
    "missing_attribute",
    "no_such_frame",
    "corrupt",
];

fn element(out: &mut Vec<u8>, group: u16, number: u16, vr: &[u8; 2], value: &[u8]) {
    out.extend(group.to_le_bytes());
    out.extend(number.to_le_bytes());
    out.extend(vr);
    if matches!(vr, b"OB" | b"OW" | b"SQ") {
        out.extend([0, 0]);
        out.extend((value.len() as u32).to_le_bytes());
    } else {
        out.extend((value.len() as u16).to_le_bytes());
    }
    out.extend(value);
}

/// A 12-bit 8x6 MONOCHROME1 image with a window, explicit VR little endian.
fn dicom(syntax: &[u8], pixel_data: &[u8]) -> Vec<u8> {
    let mut out = vec![0u8; 128];
    out.extend(b"DICM");
    element(&mut out, 2, 0x10, b"UI", syntax);
    element(&mut out, 8, 0x60, b"CS", b"DX");
    element(&mut out, 0x18, 0x5101, b"CS", b"PA");
    element(&mut out, 0x28, 2, b"US", &1u16.to_le_bytes());
    element(&mut out, 0x28, 4, b"CS", b"MONOCHROME1 ");
    element(&mut out, 0x28, 0x10, b"US", &6u16.to_le_bytes());
    element(&mut out, 0x28, 0x11, b"US", &8u16.to_le_bytes());
    element(&mut out, 0x28, 0x100, b"US", &16u16.to_le_bytes());
    element(&mut out, 0x28, 0x101, b"US", &12u16.to_le_bytes());
    element(&mut out, 0x28, 0x102, b"US", &11u16.to_le_bytes());
    element(&mut out, 0x28, 0x103, b"US", &0u16.to_le_bytes());
    element(&mut out, 0x28, 0x1050, b"DS", b"2048");
    element(&mut out, 0x28, 0x1051, b"DS", b"4096");
    out.extend(pixel_data);
    out
}

fn native() -> Vec<u8> {
    let values: Vec<u8> = (0..48u16).flat_map(|i| (i * 80).to_le_bytes()).collect();
    let mut pixels = Vec::new();
    element(&mut pixels, 0x7FE0, 0x10, b"OW", &values);
    dicom(b"1.2.840.10008.1.2.1\0", &pixels)
}

fn encapsulated(syntax: &[u8], fragment: &[u8]) -> Vec<u8> {
    let mut pixels = vec![
        0xE0, 0x7F, 0x10, 0x00, b'O', b'B', 0, 0, 0xFF, 0xFF, 0xFF, 0xFF,
    ];
    pixels.extend([0xFE, 0xFF, 0x00, 0xE0, 0, 0, 0, 0, 0xFE, 0xFF, 0x00, 0xE0]);
    pixels.extend((fragment.len() as u32).to_le_bytes());
    pixels.extend(fragment);
    pixels.extend([0xFE, 0xFF, 0xDD, 0xE0, 0, 0, 0, 0]);
    dicom(syntax, &pixels)
}

/// Two byte planes of 48 pixels in literal runs.
fn rle() -> Vec<u8> {
    let mut fragment = vec![0u8; 64];
    fragment[0] = 2;
    fragment[4] = 64;
    fragment[8] = 64 + 50;
    for plane in 0..2u8 {
        fragment.push(47);
        fragment.extend((0..48u8).map(|i| if plane == 0 { i / 4 } else { i * 5 }));
        fragment.push(128);
    }
    encapsulated(b"1.2.840.10008.1.2.5\0", &fragment)
}

/// A JPEG-LS stream of one value per line is short and reaches the run mode.
fn jpegls() -> Vec<u8> {
    let mut s = vec![
        0xFF, 0xD8, 0xFF, 0xF7, 0, 11, 12, 0, 6, 0, 8, 1, 1, 0x11, 0, 0xFF, 0xDA, 0, 8, 1, 1, 0, 0,
        0, 0,
    ];
    s.extend([0xF8; 6]);
    s.extend([0xFF, 0xD9]);
    encapsulated(b"1.2.840.10008.1.2.4.80\0\0", &s)
}

fn png() -> Vec<u8> {
    draw::encode_gray_png(&Plane::from_fn(9, 7, |x, y| (x * 20 + y) as u8)).unwrap()
}

fn seeds() -> Vec<Vec<u8>> {
    vec![native(), rle(), jpegls(), png()]
}

fn attempt(bytes: &[u8]) -> Result<(), TestCaseError> {
    let limits = Limits {
        max_bytes: 64 << 20,
        ..Limits::default()
    };
    for recipe in [Recipe::Voi, Recipe::MimicJpg] {
        match load_bytes(bytes, Path::new("mutant"), recipe, 0, &limits) {
            Ok(image) => {
                prop_assert_eq!(image.pixels.data.len(), image.width * image.height);
                prop_assert!(image.pixels.data.iter().all(|v| (0.0..=255.0).contains(v)));
            }
            Err(error) => {
                prop_assert!(KINDS.contains(&error.kind()));
                prop_assert!(error.to_string().starts_with("mutant: "));
            }
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, rng_seed: proptest::test_runner::RngSeed::Fixed(7), ..ProptestConfig::default() })]

    #[test]
    fn mutants_never_panic(which in 0usize..4, edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)) {
        let mut bytes = seeds().swap_remove(which);
        for (at, value) in edits {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        attempt(&bytes)?;
    }

    #[test]
    fn cut_files_never_panic(which in 0usize..4, keep in any::<prop::sample::Index>()) {
        let bytes = seeds().swap_remove(which);
        attempt(&bytes[..keep.index(bytes.len())])?;
    }

    #[test]
    fn any_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        attempt(&bytes)?;
    }
}

#[test]
fn the_seeds_load_with_their_steps() {
    let limits = Limits::default();
    let show =
        |bytes: &[u8], recipe| load_bytes(bytes, Path::new("seed"), recipe, 0, &limits).unwrap();
    let image = show(&native(), Recipe::Voi);
    assert_eq!(
        (image.width, image.height, image.bits, image.kind),
        (8, 6, 12, FileKind::Dicom)
    );
    assert_eq!(image.pixels.data[0], 255.0, "MONOCHROME1 is inverted once");
    assert!(
        image.steps.iter().any(|s| s == "inverted"),
        "{:?}",
        image.steps
    );
    assert_eq!(image.meta.unwrap().view, hilum_core::View::Pa);
    assert_eq!(show(&rle(), Recipe::Linear).pixels.data.len(), 48);
    assert_eq!(show(&png(), Recipe::Voi).pixels.data[1], 20.0);
}

#[test]
fn files_are_told_apart_by_their_bytes_and_errors_name_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chest.png");
    std::fs::write(&path, native()).unwrap();
    assert_eq!(load(&path, Recipe::Voi).unwrap().kind, FileKind::Dicom);
    for (bytes, kind) in [
        (vec![], "empty"),
        (b"no image here".to_vec(), "not_an_image"),
        (native()[..native().len() - 9].to_vec(), "truncated"),
    ] {
        std::fs::write(&path, bytes).unwrap();
        let error = load(&path, Recipe::Voi).unwrap_err();
        assert_eq!(error.kind(), kind);
        assert!(error.to_string().contains("chest.png"), "{error}");
    }
    let missing: LoadError = load(&folder.path().join("none.dcm"), Recipe::Voi).unwrap_err();
    assert_eq!(missing.kind(), "io");
    assert_eq!(load(folder.path(), Recipe::Voi).unwrap_err().kind(), "io");
}

#[test]
fn a_file_over_the_limit_is_not_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("big.dcm");
    std::fs::write(&path, native()).unwrap();
    let limits = Limits {
        max_file_bytes: 100,
        ..Limits::default()
    };
    let error = hilum_dicom::load_frame(&path, Recipe::Voi, 0, &limits).unwrap_err();
    assert!(matches!(error, LoadError::FileTooLarge { .. }) && error.kind() == "too_large");
    let error = hilum_dicom::load_frame(&path, Recipe::Voi, 3, &Limits::default()).unwrap_err();
    assert_eq!(error.kind(), "no_such_frame");
}

/// A file that is DICOM and TIFF at once, as PS3.10 allows, is read as DICOM: the TIFF side says nothing of windows or polarity.
#[test]
fn another_header_in_the_preamble_does_not_matter() {
    let plain = native();
    for header in [
        b"II*\0".as_slice(),
        b"MM\0*",
        b"\x89PNG\r\n\x1a\n",
        b"\xFF\xD8\xFF",
    ] {
        let mut both = plain.clone();
        both[..header.len()].copy_from_slice(header);
        let limits = Limits::default();
        let of = |bytes: &[u8]| load_bytes(bytes, Path::new("both"), Recipe::Voi, 0, &limits);
        let (image, alone) = (of(&both).unwrap(), of(&plain).unwrap());
        assert_eq!(image.kind, FileKind::Dicom);
        assert_eq!(image.pixels.data, alone.pixels.data);
    }
}
