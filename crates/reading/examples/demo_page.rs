//! Writes a made-up reading with a synthetic picture, page and masks to a folder, and prints its
//! table: `cargo run -p hilum-reading --example demo_page -- OUT`.

use hilum_core::{Reading, View};
use hilum_reading::html::{ImageLayers, PageInput, render};
use hilum_reading::{
    Artefacts, ImageMasks, folder_names, sample, terminal, write_reading, write_report,
};
use image::{GrayImage, ImageFormat, Luma};
use std::error::Error;
use std::io::{Cursor, IsTerminal};
use std::path::Path;

fn main() -> Result<(), Box<dyn Error>> {
    let out = std::env::args().nth(1).ok_or("usage: demo_page OUT")?;
    let mut blocked = sample::blocked();
    blocked.study.id = "Lateral film/2026".into();
    let mut two = sample::reading();
    two.study.id = "two-images".into();
    two.images
        .push(sample::image("samples/lateral.dcm", View::Lateral));
    let mut readings = vec![sample::reading(), blocked, two];
    let folders = folder_names(
        readings
            .iter()
            .map(|reading| reading.study.id.as_str())
            .collect::<Vec<_>>(),
    );
    for (reading, folder) in readings.iter_mut().zip(&folders) {
        write_one(Path::new(&out), folder, reading)?;
    }
    let options = terminal::Options {
        color: std::io::stdout().is_terminal(),
        width: 100,
    };
    print!(
        "{}\n{}",
        terminal::study(&readings[0], &options),
        terminal::summary(&readings, &[], &options)
    );
    Ok(())
}

fn write_one(out: &Path, folder: &str, reading: &mut Reading) -> Result<(), Box<dyn Error>> {
    reading.report = write_report(reading);
    let image_png = png(shade)?;
    let lungs_png = png(|x, y| if lung(x, y) < 1.0 { 255.0 } else { 0.0 })?;
    let heart_png = png(|x, y| if heart(x, y) < 1.0 { 255.0 } else { 0.0 })?;
    let heat = |cx: f64, cy: f64, s: f64| {
        png(move |x, y| 255.0 * (-((x - cx).powi(2) + (y - cy).powi(2)) / (s * s)).exp())
    };
    let layers: Vec<ImageLayers> = reading
        .images
        .iter()
        .map(|_| {
            Ok(ImageLayers {
                image_png: image_png.clone(),
                lungs_png: Some(lungs_png.clone()),
                heart_png: Some(heart_png.clone()),
                heatmaps: vec![
                    ("pneumonia".into(), heat(0.28, 0.62, 0.11)?),
                    ("lung_opacity".into(), heat(0.29, 0.63, 0.14)?),
                    ("nodule".into(), heat(0.68, 0.265, 0.06)?),
                ],
                maps: Vec::new(),
            })
        })
        .collect::<Result<_, image::ImageError>>()?;
    let artefacts = Artefacts {
        report_html: Some(render(&PageInput {
            reading,
            layers: &layers,
            thumbnails: &[],
        })?),
        overlay_png: Some(image_png),
        masks: vec![ImageMasks {
            image: 0,
            lungs_png: Some(lungs_png),
            heart_png: Some(heart_png),
        }],
        maps: Vec::new(),
    };
    let dir = write_reading(out, folder, reading, &artefacts)?;
    eprintln!("wrote {}", dir.display());
    Ok(())
}

/// A picture of 1024 by 1240 pixels from a function of relative coordinates.
fn png(value: impl Fn(f64, f64) -> f64) -> Result<Vec<u8>, image::ImageError> {
    let picture = GrayImage::from_fn(1024, 1240, |x, y| {
        let v = value(f64::from(x) / 1024.0, f64::from(y) / 1240.0);
        Luma([v.clamp(0.0, 255.0) as u8])
    });
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, ImageFormat::Png)?;
    Ok(bytes.into_inner())
}

fn ellipse(x: f64, y: f64, cx: f64, cy: f64, rx: f64, ry: f64) -> f64 {
    ((x - cx) / rx).powi(2) + ((y - cy) / ry).powi(2)
}

fn lung(x: f64, y: f64) -> f64 {
    let side = ellipse(x, y, 0.29, 0.48, 0.19, 0.34).min(ellipse(x, y, 0.71, 0.48, 0.19, 0.34));
    if heart(x, y) < 1.0 { 2.0 } else { side }
}

fn heart(x: f64, y: f64) -> f64 {
    ellipse(x, y, 0.60, 0.66, 0.22, 0.15)
}

/// Something that looks enough like a film to judge the page by: body, lungs, heart, ribs, an opacity.
fn shade(x: f64, y: f64) -> f64 {
    let body = 190.0 * (1.0 - (2.0 * (x - 0.5)).powi(4)).max(0.0);
    let lungs = 135.0 / (1.0 + ((lung(x, y) - 1.0) * 14.0).exp());
    let cardiac = 60.0 / (1.0 + ((heart(x, y) - 1.0) * 12.0).exp());
    let ribs = 12.0 * ((y * 62.0 + (x - 0.5).powi(2) * 40.0).sin()).max(0.0);
    let spine = 30.0 * (-((x - 0.5) / 0.04).powi(2)).exp();
    let opacity = 70.0 * (-ellipse(x, y, 0.28, 0.62, 0.1, 0.09)).exp();
    body - lungs + cardiac + ribs + spine + opacity
}
