//! The picture in documents: the first image with what stands now drawn into it.

use crate::error::{Result, RoomError};
use hilum_core::{Point, Reading, Rect};
use hilum_image::{Kernel, Plane, draw, resize};
use std::path::Path;

/// Longest side of the picture in documents.
const SHOWN: usize = 1024;

/// The picture as a PNG.
pub(super) fn overlay(reading: &Reading) -> Result<Option<Vec<u8>>> {
    let encode = |c: &Plane<draw::Rgb>| {
        draw::encode_rgb_png(c).map_err(|e| RoomError::Internal(e.to_string()))
    };
    canvas(reading)?.as_ref().map(encode).transpose()
}

/// The first image with the regions and lines that stand now: the picture that the model's reading came with would show what a
/// reader took away.
pub(super) fn canvas(reading: &Reading) -> Result<Option<Plane<draw::Rgb>>> {
    let internal = |e: hilum_image::ImageError| RoomError::Internal(e.to_string());
    let has_regions = |n: usize| {
        let mut all = reading.findings.iter().flat_map(|f| &f.regions);
        all.any(|r| r.image == n)
    };
    let at = (0..reading.images.len())
        .find(|&n| has_regions(n))
        .unwrap_or(0);
    let Some(record) = reading.images.get(at) else {
        return Ok(None);
    };
    let loaded = hilum_dicom::load(Path::new(&record.path), hilum_dicom::Recipe::default())?;
    let mut levels = loaded.pixels.to_u8();
    if record.inverted {
        levels.data.iter_mut().for_each(|v| *v = 255 - *v);
    }
    let longest = levels.width.max(levels.height);
    if longest > SHOWN {
        let side = |n: usize| (n * SHOWN).div_ceil(longest).max(1);
        levels = resize::resize_u8(
            &levels,
            side(levels.width),
            side(levels.height),
            Kernel::PilBox,
        )
        .map_err(internal)?;
    }
    let scale = levels.width as f64 / f64::from(record.width.max(1));
    let mut canvas = draw::canvas(&levels.to_gray());
    paint(&mut canvas, reading, at, scale);
    Ok(Some(canvas))
}

fn paint(canvas: &mut Plane<draw::Rgb>, reading: &Reading, image: usize, scale: f64) {
    let pen = (canvas.width.max(canvas.height) / 400).max(1);
    let to = |p: Point| Point {
        x: p.x * scale,
        y: p.y * scale,
    };
    let lines = reading.measurements.iter().flat_map(|m| &m.lines);
    for line in lines.filter(|l| l.image == image) {
        let line = hilum_core::Line {
            from: to(line.line.from),
            to: to(line.line.to),
        };
        draw::draw_line(canvas, line, draw::PALETTE[3], pen);
    }
    let with = |f: &&hilum_core::Finding| f.regions.iter().any(|r| r.image == image);
    for (number, finding) in reading.findings.iter().filter(with).enumerate() {
        let colour = draw::PALETTE[[0, 2, 6, 4][number % 4]];
        for region in finding.regions.iter().filter(|r| r.image == image) {
            let r = region.rect;
            let rect = Rect {
                x: r.x * scale,
                y: r.y * scale,
                w: r.w * scale,
                h: r.h * scale,
            };
            if region.outline.is_empty() {
                draw::draw_rect(canvas, rect, colour, pen);
            } else {
                let points: Vec<Point> = region.outline.iter().copied().map(to).collect();
                draw::draw_polygon(canvas, &points, colour, pen);
            }
            let (x, y) = (rect.x as i64 + 2, rect.y as i64 + 2);
            draw::draw_text(canvas, x, y, &finding.name, colour, pen);
        }
    }
    let notice = "Hilum: research use only";
    draw::draw_text(canvas, 2, 2, notice, [255; 3], pen.min(2));
}
