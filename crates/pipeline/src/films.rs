//! Pictures of an image for the page, the overlay and the mask files.

use crate::error::{PipelineError, Result};
use crate::explain::{CAM, Explained};
use crate::findings::Heat;
use crate::read::Masks;
use hilum_core::{Explanation, Line, Point, PredictionSet, Reading, Rect};
use hilum_dicom::LoadedImage;
use hilum_image::draw::{self, Canvas, PALETTE};
use hilum_image::{ImageError, Kernel, Mask, Plane, resize};
use hilum_reading::html::{ImageLayers, MapLayer};
use std::path::Path;

/// Longest side of a picture on the page.
const SHOWN: usize = 1024;
/// Longest side of a heat map on the page.
const HEAT: usize = 256;
const LUNGS: draw::Rgb = PALETTE[1];
const HEART: draw::Rgb = PALETTE[5];
const RULER: draw::Rgb = PALETTE[3];

/// What is kept of an image once its pixels are gone.
#[derive(Debug, Clone)]
pub(crate) struct Film {
    pub(crate) layers: ImageLayers,
    pub(crate) lungs_png: Option<Vec<u8>>,
    pub(crate) heart_png: Option<Vec<u8>>,
    /// Finding, method and PNG of every map that was judged.
    pub(crate) maps_png: Vec<(String, String, Vec<u8>)>,
    shown: Shown,
}

/// Small copies that the overlay is drawn from.
#[derive(Debug, Clone)]
struct Shown {
    image: Plane<u8>,
    lungs: Option<Mask>,
    heart: Option<Mask>,
    heats: Vec<(String, Plane<u8>)>,
}

fn fitted((width, height): (usize, usize), longest: usize) -> (usize, usize) {
    let side = width.max(height).max(1);
    let fit = |v: usize| {
        if side > longest {
            (v * longest).div_ceil(side).max(1)
        } else {
            v
        }
    };
    (fit(width), fit(height))
}

/// Pictures of one image.
///
/// # Errors
/// [`PipelineError::Image`].
pub(crate) fn film(
    path: &Path,
    loaded: &LoadedImage,
    masks: Option<&Masks>,
    heats: &[Heat],
    explained: &[Explained],
) -> Result<Film> {
    make(loaded, masks, heats, explained).map_err(|source| PipelineError::Image {
        path: path.to_owned(),
        source,
    })
}

fn make(
    loaded: &LoadedImage,
    masks: Option<&Masks>,
    heats: &[Heat],
    explained: &[Explained],
) -> std::result::Result<Film, ImageError> {
    let size = (loaded.width, loaded.height);
    let (w, h) = fitted(size, SHOWN);
    let levels = loaded.pixels.to_u8();
    let image = if (w, h) == size {
        levels
    } else {
        resize::resize_u8(&levels, w, h, Kernel::PilBilinear)?
    };
    let small = |mask: &Mask| resize::resize_mask(mask, w, h);
    let lungs = masks.map(|m| small(&m.lungs)).transpose()?;
    let heart = masks.and_then(|m| m.shown_heart()).map(small).transpose()?;
    let (hw, hh) = fitted(size, HEAT);
    let heats: Vec<(String, Plane<u8>)> = heats
        .iter()
        .map(|heat| (heat.code.clone(), heat.over(size, hw, hh).to_u8()))
        .collect();
    let png = |mask: &Mask| draw::encode_gray_png(mask);
    let layers = ImageLayers {
        image_png: draw::encode_gray_png(&image)?,
        lungs_png: lungs.as_ref().map(png).transpose()?,
        heart_png: heart.as_ref().map(png).transpose()?,
        heatmaps: heats
            .iter()
            .map(|(code, map)| Ok((code.clone(), draw::encode_gray_png(map)?)))
            .collect::<std::result::Result<_, ImageError>>()?,
        maps: maps(
            explained,
            size,
            (hw, hh),
            |e| e.method != CAM,
            |e, png| MapLayer {
                code: e.0,
                method: e.1,
                png,
            },
        )?,
    };
    Ok(Film {
        lungs_png: masks.map(|m| png(&m.lungs)).transpose()?,
        heart_png: masks.and_then(|m| m.shown_heart()).map(png).transpose()?,
        layers,
        maps_png: maps(explained, size, (w, h), |_| true, |e, png| (e.0, e.1, png))?,
        shown: Shown {
            image,
            lungs,
            heart,
            heats,
        },
    })
}

/// PNGs of the maps that `keep` takes, `to` pixels large.
fn maps<T>(
    explained: &[Explained],
    size: (usize, usize),
    to: (usize, usize),
    keep: impl Fn(&Explanation) -> bool,
    make: impl Fn((String, String), Vec<u8>) -> T,
) -> std::result::Result<Vec<T>, ImageError> {
    let wanted = explained.iter().filter(|e| keep(&e.explanation));
    wanted
        .filter_map(|e| Some((e, e.heat.as_ref()?)))
        .map(|(e, heat)| {
            let png = draw::encode_gray_png(&heat.over(size, to.0, to.1).to_u8())?;
            Ok(make((e.code.clone(), e.explanation.method.clone()), png))
        })
        .collect()
}

/// `overlay.png`: the image that was analysed (else the first) with masks, the strongest finding's map, boxes
/// and lines.
///
/// # Errors
/// [`PipelineError::Image`].
pub(crate) fn overlay(reading: &Reading, films: &[Film]) -> Result<Option<Vec<u8>>> {
    let at = films
        .iter()
        .position(|f| f.shown.lungs.is_some())
        .unwrap_or(0);
    let (Some(film), Some(record)) = (films.get(at), reading.images.get(at)) else {
        return Ok(None);
    };
    let scale = film.shown.image.width as f64 / f64::from(record.width.max(1));
    let draw = || {
        let mut canvas = draw::canvas(&film.shown.image.to_gray());
        paint(&mut canvas, reading, &film.shown, at, scale)?;
        draw::encode_rgb_png(&canvas)
    };
    draw().map(Some).map_err(|source| PipelineError::Image {
        path: record.path.clone().into(),
        source,
    })
}

fn paint(
    canvas: &mut Canvas,
    reading: &Reading,
    shown: &Shown,
    image: usize,
    scale: f64,
) -> std::result::Result<(), ImageError> {
    let strongest = reading
        .findings
        .iter()
        .filter(|f| shown.heats.iter().any(|(code, _)| *code == f.code));
    let strongest = strongest.max_by(|a, b| {
        a.probability
            .unwrap_or(0.0)
            .total_cmp(&b.probability.unwrap_or(0.0))
    });
    if let Some((_, map)) =
        strongest.and_then(|f| shown.heats.iter().find(|(code, _)| *code == f.code))
    {
        let unit = map.map(|&v| f32::from(v) / 255.0);
        draw::heat(
            canvas,
            &resize::resize(&unit, canvas.width, canvas.height, Kernel::PilBilinear)?,
            0.45,
        )?;
    }
    for (mask, colour) in [(&shown.lungs, LUNGS), (&shown.heart, HEART)] {
        if let Some(mask) = mask {
            draw::tint_mask(canvas, mask, colour, 0.0)?;
        }
    }
    let pen = (canvas.width.max(canvas.height) / 400).max(1);
    for line in reading
        .measurements
        .iter()
        .flat_map(|m| &m.lines)
        .filter(|l| l.image == image)
    {
        let at = |p: Point| Point {
            x: p.x * scale,
            y: p.y * scale,
        };
        draw::draw_line(
            canvas,
            Line {
                from: at(line.line.from),
                to: at(line.line.to),
            },
            RULER,
            pen,
        );
    }
    // Undecided ones would cover the film; the page has them behind a switch.
    let present = reading
        .findings
        .iter()
        .filter(|f| f.set == Some(PredictionSet::Present));
    for (number, finding) in present
        .filter(|f| f.regions.iter().any(|r| r.image == image))
        .enumerate()
    {
        let colour = PALETTE[[0, 2, 6, 4][number % 4]];
        for region in finding.regions.iter().filter(|r| r.image == image) {
            let r = region.rect;
            let rect = Rect {
                x: r.x * scale,
                y: r.y * scale,
                w: r.w * scale,
                h: r.h * scale,
            };
            draw::draw_rect(canvas, rect, colour, pen);
            draw::draw_text(
                canvas,
                rect.x as i64 + 2,
                rect.y as i64 + 2 + 10 * pen as i64 * number as i64,
                &finding.name,
                colour,
                pen,
            );
        }
    }
    draw::draw_text(
        canvas,
        2,
        2,
        "Hilum: research use only",
        [255; 3],
        pen.min(2),
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_images_are_shown_smaller_in_their_shape() {
        assert_eq!(fitted((2500, 2000), 1024), (1024, 820));
        assert_eq!(fitted((300, 200), 1024), (300, 200));
        assert_eq!(fitted((16_000, 1), 1024), (1024, 1));
    }
}
