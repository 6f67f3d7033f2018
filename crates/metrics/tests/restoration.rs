//! PSNR and SSIM of real pictures against scikit-image.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Value, cases, shared};
use hilum_metrics::restoration::{psnr, ssim};
use std::path::Path;

fn picture(path: &Path) -> (Vec<f32>, usize) {
    let grey = image::open(path).unwrap().to_luma8();
    let width = grey.width() as usize;
    (grey.into_raw().into_iter().map(f32::from).collect(), width)
}

#[test]
fn as_scikit_image() {
    let Some(folder) = shared("PSNR and SSIM", "parity/image") else {
        return;
    };
    let text = std::fs::read_to_string(folder.join("quality.json")).unwrap();
    let fixture = Value::parse("image/quality.json", &text);
    let mut seen = 0;
    for case in cases(&fixture) {
        let of = |key: &str| {
            let name = case["input"][key].as_str()?;
            Some(picture(&folder.parent().unwrap().join(name)))
        };
        let (Some((truth, width)), Some((restored, _))) = (of("reference"), of("distorted")) else {
            continue;
        };
        let wanted = |key: &str| case["expected"][key].as_f64();
        let name = case["name"].as_str().unwrap();
        match wanted("psnr") {
            Some(db) => assert!(
                (psnr(&truth, &restored, 255.0).unwrap() - db).abs() < 1e-5,
                "{name}"
            ),
            None => assert!(
                psnr(&truth, &restored, 255.0).unwrap_err().is_undefined(),
                "{name}"
            ),
        }
        let own = ssim(&truth, &restored, width, 255.0).unwrap();
        let expected = wanted("ssim_skimage_uniform7").unwrap();
        assert!((own - expected).abs() < 1e-5, "{name}: {own} {expected}");
        seen += 1;
    }
    assert!(seen >= 12, "{seen} pairs of pictures");
}
