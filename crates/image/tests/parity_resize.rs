//! Resizing against Pillow, OpenCV and PyTorch (`parity/image/resize.json`).

#![allow(clippy::unwrap_used)]

mod common;

use common::{Npz, gray_png, parity, skip};
use hilum_image::resize::{Kernel, resize, resize_u8};

const NAMES: [(&str, Kernel); 17] = [
    ("pil_nearest", Kernel::PilNearest),
    ("pil_box", Kernel::PilBox),
    ("pil_bilinear", Kernel::PilBilinear),
    ("pil_bicubic", Kernel::PilBicubic),
    ("pil_lanczos", Kernel::PilLanczos),
    ("cv2_nearest", Kernel::CvNearest),
    ("cv2_linear", Kernel::CvLinear),
    ("cv2_cubic", Kernel::CvCubic),
    ("cv2_area", Kernel::CvArea),
    ("torch_nearest", Kernel::TorchNearest),
    ("torch_nearest_exact", Kernel::TorchNearestExact),
    ("torch_bilinear", Kernel::TorchBilinear),
    ("torch_bilinear_ac", Kernel::TorchBilinearAlignCorners),
    ("torch_bilinear_aa", Kernel::TorchBilinearAntialias),
    ("torch_bicubic", Kernel::TorchBicubic),
    ("torch_bicubic_aa", Kernel::TorchBicubicAntialias),
    ("torch_area", Kernel::TorchArea),
];

#[test]
fn arrays_agree() {
    let Some(root) = parity() else {
        return skip("resize parity");
    };
    let mut checked = 0;
    for case in 0..3 {
        let image = gray_png(&root.join(format!("image/crop{case}.png")));
        let mut npz = Npz::open(&root.join(format!("image/resize{case}.npz")));
        for (name, kernel) in NAMES {
            for (h, w) in [(64, 64), (100, 37)] {
                let key = format!("{name}_{h}x{w}");
                let Some(expected) = npz.get(&key) else {
                    continue;
                };
                let (got, tolerance): (Vec<f64>, f64) = if name.starts_with("torch") {
                    let out = resize(&image.to_gray(), w, h, kernel).unwrap();
                    (out.data.iter().map(|&v| f64::from(v)).collect(), 0.01)
                } else {
                    let out = resize_u8(&image, w, h, kernel).unwrap();
                    (
                        out.data.iter().map(|&v| f64::from(v)).collect(),
                        if name.starts_with("pil") { 0.0 } else { 1.0 },
                    )
                };
                assert_eq!(got.len(), expected.len());
                let worst = got
                    .iter()
                    .zip(&expected)
                    .map(|(a, b)| (a - b).abs())
                    .fold(0.0, f64::max);
                assert!(
                    worst <= tolerance,
                    "crop{case} {key}: largest difference {worst}"
                );
                checked += 1;
            }
        }
    }
    assert!(checked >= 70, "only {checked} arrays compared");
}

#[test]
fn enlarging_agrees_in_the_first_row_and_mean() {
    let Some(root) = parity() else {
        return skip("resize parity");
    };
    let fixture: serde_json::Value =
        serde_json::from_slice(&std::fs::read(root.join("image/resize.json")).unwrap()).unwrap();
    let mut checked = 0;
    for case in 0..3 {
        let image = gray_png(&root.join(format!("image/crop{case}.png")));
        for (name, kernel) in NAMES {
            let stats = &fixture["cases"][case]["expected"]["stats"][format!("{name}_320x300")];
            let Some(row) = stats["row0_first16"].as_array() else {
                continue;
            };
            let tolerance = if name.starts_with("torch") {
                0.01
            } else if name.starts_with("pil") {
                0.0
            } else {
                1.0
            };
            let out: Vec<f64> = if name.starts_with("torch") {
                resize(&image.to_gray(), 300, 320, kernel)
                    .unwrap()
                    .data
                    .iter()
                    .map(|&v| f64::from(v))
                    .collect()
            } else {
                resize_u8(&image, 300, 320, kernel)
                    .unwrap()
                    .data
                    .iter()
                    .map(|&v| f64::from(v))
                    .collect()
            };
            for (got, expected) in out.iter().zip(row) {
                assert!(
                    (got - expected.as_f64().unwrap()).abs() <= tolerance,
                    "crop{case} {name}: {got} {expected}"
                );
            }
            let mean = out.iter().sum::<f64>() / out.len() as f64;
            assert!(
                (mean - stats["mean"].as_f64().unwrap()).abs() < 0.02 + tolerance / 10.0,
                "crop{case} {name}"
            );
            checked += 1;
        }
    }
    assert!(checked >= 30, "only {checked} compared");
}
