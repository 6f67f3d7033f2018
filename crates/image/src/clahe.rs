//! Contrast-limited adaptive histogram equalisation (Zuiderveld 1994) as OpenCV's `createCLAHE`.

use crate::error::ImageError;
use crate::plane::Plane;

/// CLAHE of an 8-bit plane. `tiles` is (columns, rows) as OpenCV's `tileGridSize`; `clip_limit` in multiples of a flat
/// histogram's bin, 0 for no limit. Sides that are no multiple of the tiles are padded by reflection.
///
/// # Errors
/// [`ImageError::ZeroSize`], [`ImageError::Parameter`] for no tiles, more tiles than pixels, or a negative limit.
pub fn clahe(
    image: &Plane<u8>,
    clip_limit: f64,
    tiles: (usize, usize),
) -> Result<Plane<u8>, ImageError> {
    check(image, clip_limit, tiles)?;
    let padded = |side: usize, n: usize| side.div_ceil(n) * n;
    let whole = image.width.is_multiple_of(tiles.0) && image.height.is_multiple_of(tiles.1);
    // OpenCV pads both sides by a full remainder when either does not divide.
    let pad = |side: usize, n: usize| {
        if whole {
            side
        } else {
            padded(side + usize::from(side.is_multiple_of(n)), n)
        }
    };
    let (tile_w, tile_h) = (
        pad(image.width, tiles.0) / tiles.0,
        pad(image.height, tiles.1) / tiles.1,
    );
    let tables: Vec<[u8; 256]> = (0..tiles.0 * tiles.1)
        .map(|t| {
            tile_table(
                image,
                (t % tiles.0) * tile_w,
                (t / tiles.0) * tile_h,
                tile_w,
                tile_h,
                clip_limit,
            )
        })
        .collect();
    Ok(Plane::from_fn(image.width, image.height, |x, y| {
        let (x0, x1, fx) = between(x, tile_w, tiles.0);
        let (y0, y1, fy) = between(y, tile_h, tiles.1);
        let v = usize::from(image.data[y * image.width + x]);
        let at = |tx: usize, ty: usize| f32::from(tables[ty * tiles.0 + tx][v]);
        let top = at(x0, y0) * (1.0 - fx) + at(x1, y0) * fx;
        let bottom = at(x0, y1) * (1.0 - fx) + at(x1, y1) * fx;
        (top * (1.0 - fy) + bottom * fy)
            .round_ties_even()
            .clamp(0.0, 255.0) as u8
    }))
}

fn check(image: &Plane<u8>, clip_limit: f64, tiles: (usize, usize)) -> Result<(), ImageError> {
    if image.width == 0 || image.height == 0 {
        return Err(ImageError::ZeroSize {
            what: "the image",
            width: image.width,
            height: image.height,
        });
    }
    if tiles.0 == 0 || tiles.1 == 0 || tiles.0 > image.width || tiles.1 > image.height {
        return Err(ImageError::Parameter {
            name: "tiles",
            value: tiles.0.max(tiles.1) as f64,
            range: "1 to the side of the image",
        });
    }
    if clip_limit.is_nan() || clip_limit < 0.0 {
        return Err(ImageError::Parameter {
            name: "clip_limit",
            value: clip_limit,
            range: "0 or more",
        });
    }
    Ok(())
}

/// The two tiles around a pixel and the share of the second.
fn between(at: usize, tile: usize, tiles: usize) -> (usize, usize, f32) {
    let position = at as f32 / tile as f32 - 0.5;
    let first = position.floor();
    let share = position - first;
    let limit = |t: f32| t.clamp(0.0, (tiles - 1) as f32) as usize;
    (limit(first), limit(first + 1.0), share)
}

fn reflect(at: usize, side: usize) -> usize {
    if at < side {
        at
    } else {
        (2 * side).saturating_sub(2 + at)
    }
}

fn tile_table(
    image: &Plane<u8>,
    x0: usize,
    y0: usize,
    w: usize,
    h: usize,
    clip_limit: f64,
) -> [u8; 256] {
    let mut counts = [0i64; 256];
    for y in y0..y0 + h {
        let row = image.row(reflect(y, image.height));
        for x in x0..x0 + w {
            counts[usize::from(row[reflect(x, image.width)])] += 1;
        }
    }
    let area = (w * h) as i64;
    if clip_limit > 0.0 {
        clip(
            &mut counts,
            ((clip_limit * area as f64 / 256.0) as i64).max(1),
        );
    }
    let scale = 255.0f32 / area as f32;
    let mut table = [0u8; 256];
    let mut sum = 0i64;
    for (entry, count) in table.iter_mut().zip(counts) {
        sum += count;
        *entry = (sum as f32 * scale).round_ties_even().clamp(0.0, 255.0) as u8;
    }
    table
}

/// Spreads what is over the limit evenly, the rest in steps, as OpenCV does.
fn clip(counts: &mut [i64; 256], limit: i64) {
    let mut excess = 0;
    for c in counts.iter_mut() {
        excess += (*c - limit).max(0);
        *c = (*c).min(limit);
    }
    let (batch, rest) = (excess / 256, (excess % 256) as usize);
    counts.iter_mut().for_each(|c| *c += batch);
    if let Some(step) = 256usize.checked_div(rest) {
        counts
            .iter_mut()
            .step_by(step.max(1))
            .take(rest)
            .for_each(|c| *c += 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn senseless_parameters_are_refused() {
        let image = Plane::filled(8, 8, 5u8);
        assert!(clahe(&image, 2.0, (0, 1)).is_err());
        assert!(clahe(&image, 2.0, (9, 1)).is_err());
        assert!(clahe(&image, -1.0, (2, 2)).is_err());
        assert!(clahe(&Plane::filled(0, 0, 0u8), 2.0, (1, 1)).is_err());
    }
}
