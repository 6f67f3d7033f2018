//! Overlays on a radiograph: masks, boxes, lines, heat maps, text. The result is RGB, written as PNG.

use crate::error::ImageError;
use crate::plane::{Gray, Mask, Plane};
use font8x8::UnicodeFonts;
use hilum_core::{Line, Point, Rect};

/// Red, green, blue.
pub type Rgb = [u8; 3];

/// An image in colour.
pub type Canvas = Plane<Rgb>;

/// Colours that keep apart, also for most colour-blind readers (Okabe and Ito 2008).
pub const PALETTE: [Rgb; 7] = [
    [230, 159, 0],
    [86, 180, 233],
    [0, 158, 115],
    [240, 228, 66],
    [0, 114, 178],
    [213, 94, 0],
    [204, 121, 167],
];

/// A canvas that shows display values in grey.
pub fn canvas(image: &Gray) -> Canvas {
    image.to_u8().map(|&v| [v; 3])
}

fn blend(pixel: &mut Rgb, colour: Rgb, alpha: f32) {
    for (p, c) in pixel.iter_mut().zip(colour) {
        *p = (f32::from(*p) * (1.0 - alpha) + f32::from(c) * alpha + 0.5) as u8;
    }
}

/// Tints the mask with `alpha` (0 to 1) and draws its edge in full colour.
///
/// # Errors
/// [`ImageError::SizeMismatch`].
pub fn tint_mask(
    canvas: &mut Canvas,
    mask: &Mask,
    colour: Rgb,
    alpha: f32,
) -> Result<(), ImageError> {
    canvas.check_same_size(mask)?;
    let (w, h) = (mask.width, mask.height);
    let set = |x: usize, y: usize| mask.data[y * w + x] != 0;
    for y in 0..h {
        for x in 0..w {
            if !set(x, y) {
                continue;
            }
            let inner = x > 0
                && y > 0
                && x + 1 < w
                && y + 1 < h
                && set(x - 1, y)
                && set(x + 1, y)
                && set(x, y - 1)
                && set(x, y + 1);
            blend(
                &mut canvas.data[y * w + x],
                colour,
                if inner { alpha.clamp(0.0, 1.0) } else { 1.0 },
            );
        }
    }
    Ok(())
}

/// Lays a heat map (0 to 1) over the image; the stronger, the more opaque, up to `alpha`.
///
/// # Errors
/// [`ImageError::SizeMismatch`].
pub fn heat(canvas: &mut Canvas, map: &Gray, alpha: f32) -> Result<(), ImageError> {
    canvas.check_same_size(map)?;
    for (pixel, &v) in canvas.data.iter_mut().zip(&map.data) {
        if v > 0.0 {
            let v = v.min(1.0);
            blend(pixel, inferno(v), alpha.clamp(0.0, 1.0) * v);
        }
    }
    Ok(())
}

/// A perceptually ordered colour map from black over purple and orange to pale yellow: eight samples of matplotlib's
/// `inferno` (CC0), interpolated.
pub fn inferno(v: f32) -> Rgb {
    const STOPS: [[f32; 3]; 8] = [
        [0.0, 0.0, 4.0],
        [40.0, 11.0, 84.0],
        [101.0, 21.0, 110.0],
        [159.0, 42.0, 99.0],
        [212.0, 72.0, 66.0],
        [245.0, 125.0, 21.0],
        [250.0, 193.0, 39.0],
        [252.0, 255.0, 164.0],
    ];
    let at = v.clamp(0.0, 1.0) * 7.0;
    let i = (at as usize).min(6);
    let f = at - i as f32;
    std::array::from_fn(|c| (STOPS[i][c] * (1.0 - f) + STOPS[i + 1][c] * f + 0.5) as u8)
}

/// A straight line with a width in pixels; parts outside are left out.
pub fn draw_line(canvas: &mut Canvas, line: Line, colour: Rgb, width: usize) {
    // Coordinates far outside would make the walk long without drawing anything.
    let limit = 4.0 * (canvas.width + canvas.height + 1) as f64;
    let safe = |v: f64| {
        if v.is_finite() {
            v.clamp(-limit, limit)
        } else {
            0.0
        }
    };
    let (x0, y0, x1, y1) = (
        safe(line.from.x),
        safe(line.from.y),
        safe(line.to.x),
        safe(line.to.y),
    );
    let steps = (x1 - x0).abs().max((y1 - y0).abs()).ceil().max(1.0) as usize;
    for i in 0..=steps {
        let t = i as f64 / steps as f64;
        dot(
            canvas,
            x0 + (x1 - x0) * t,
            y0 + (y1 - y0) * t,
            colour,
            width.max(1),
        );
    }
}

fn dot(canvas: &mut Canvas, x: f64, y: f64, colour: Rgb, width: usize) {
    let start = |v: f64| (v - width as f64 / 2.0).round() as i64;
    let (left, top) = (start(x), start(y));
    for yy in top..top + width as i64 {
        for xx in left..left + width as i64 {
            put(canvas, xx, yy, colour);
        }
    }
}

fn put(canvas: &mut Canvas, x: i64, y: i64, colour: Rgb) {
    if x >= 0 && y >= 0 && (x as usize) < canvas.width && (y as usize) < canvas.height {
        let at = y as usize * canvas.width + x as usize;
        canvas.data[at] = colour;
    }
}

/// The edge of a box.
pub fn draw_rect(canvas: &mut Canvas, rect: Rect, colour: Rgb, width: usize) {
    let corner = |dx: f64, dy: f64| Point {
        x: rect.x + dx * rect.w,
        y: rect.y + dy * rect.h,
    };
    let corners = [
        corner(0.0, 0.0),
        corner(1.0, 0.0),
        corner(1.0, 1.0),
        corner(0.0, 1.0),
    ];
    draw_polygon(canvas, &corners, colour, width);
}

/// The edge of a closed polygon.
pub fn draw_polygon(canvas: &mut Canvas, points: &[Point], colour: Rgb, width: usize) {
    for (from, to) in points.iter().zip(points.iter().cycle().skip(1)) {
        draw_line(
            canvas,
            Line {
                from: *from,
                to: *to,
            },
            colour,
            width,
        );
    }
}

/// Text with its top left corner at `(x, y)`, `scale` pixels per font pixel (8x8 font), on black for contrast. Characters
/// outside Latin are shown as `?`.
pub fn draw_text(canvas: &mut Canvas, x: i64, y: i64, text: &str, colour: Rgb, scale: usize) {
    let scale = scale.max(1) as i64;
    for (i, character) in text.chars().enumerate() {
        let glyph = font8x8::BASIC_FONTS
            .get(character)
            .or_else(|| font8x8::LATIN_FONTS.get(character));
        let Some(glyph) = glyph.or_else(|| font8x8::BASIC_FONTS.get('?')) else {
            continue;
        };
        let left = x + i as i64 * 8 * scale;
        if left > canvas.width as i64 {
            break;
        }
        for row in 0..8 * scale {
            for column in 0..8 * scale {
                let on = glyph[(row / scale) as usize] >> (column / scale) & 1 == 1;
                put(
                    canvas,
                    left + column,
                    y + row,
                    if on { colour } else { [0; 3] },
                );
            }
        }
    }
}

/// An RGB PNG.
///
/// # Errors
/// [`ImageError::Encode`], [`ImageError::ZeroSize`].
pub fn encode_rgb_png(canvas: &Canvas) -> Result<Vec<u8>, ImageError> {
    encode(
        canvas.width,
        canvas.height,
        png::ColorType::Rgb,
        png::BitDepth::Eight,
        canvas.data.as_flattened(),
    )
}

/// An 8-bit grey PNG, e.g. of a mask.
///
/// # Errors
/// [`ImageError::Encode`], [`ImageError::ZeroSize`].
pub fn encode_gray_png(image: &Plane<u8>) -> Result<Vec<u8>, ImageError> {
    encode(
        image.width,
        image.height,
        png::ColorType::Grayscale,
        png::BitDepth::Eight,
        &image.data,
    )
}

/// A 16-bit grey PNG.
///
/// # Errors
/// [`ImageError::Encode`], [`ImageError::ZeroSize`].
pub fn encode_gray16_png(image: &Plane<u16>) -> Result<Vec<u8>, ImageError> {
    let bytes: Vec<u8> = image.data.iter().flat_map(|v| v.to_be_bytes()).collect();
    encode(
        image.width,
        image.height,
        png::ColorType::Grayscale,
        png::BitDepth::Sixteen,
        &bytes,
    )
}

fn encode(
    width: usize,
    height: usize,
    colour: png::ColorType,
    depth: png::BitDepth,
    data: &[u8],
) -> Result<Vec<u8>, ImageError> {
    let side = |v: usize| {
        u32::try_from(v)
            .ok()
            .filter(|&v| v > 0)
            .ok_or(ImageError::ZeroSize {
                what: "the PNG",
                width,
                height,
            })
    };
    let fail = |e: png::EncodingError| ImageError::Encode {
        reason: e.to_string(),
    };
    let mut out = Vec::new();
    let mut encoder = png::Encoder::new(&mut out, side(width)?, side(height)?);
    encoder.set_color(colour);
    encoder.set_depth(depth);
    encoder.set_compression(png::Compression::Fast);
    let mut writer = encoder.write_header().map_err(fail)?;
    writer.write_image_data(data).map_err(fail)?;
    writer.finish().map_err(fail)?;
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::{Limits, decode};

    #[test]
    fn masks_are_tinted_and_edged() {
        let mut c = canvas(&Plane::filled(5, 5, 100.0));
        let mask = Plane::from_fn(5, 5, |x, y| {
            if (1..4).contains(&x) && (1..4).contains(&y) {
                255u8
            } else {
                0
            }
        });
        tint_mask(&mut c, &mask, [200, 0, 0], 0.5).unwrap();
        assert_eq!(
            (c.data[0], c.data[6], c.data[12]),
            ([100; 3], [200, 0, 0], [150, 50, 50])
        );
        assert!(tint_mask(&mut c, &Plane::filled(2, 2, 0), [0; 3], 0.5).is_err());
    }

    #[test]
    fn lines_boxes_and_text_stay_inside() {
        let mut c = canvas(&Plane::filled(20, 20, 0.0));
        draw_rect(
            &mut c,
            Rect {
                x: -5.0,
                y: 3.0,
                w: 1e12,
                h: f64::NAN,
            },
            [9; 3],
            2,
        );
        draw_text(&mut c, -4, 15, "CTR 0.52 µ 胸", [255; 3], 2);
        draw_line(
            &mut c,
            Line {
                from: Point { x: 0.0, y: 10.0 },
                to: Point { x: 19.0, y: 10.0 },
            },
            [1, 2, 3],
            1,
        );
        assert_eq!(c.data[10 * 20 + 5], [1, 2, 3]);
        assert!(c.data.contains(&[255; 3]));
    }

    #[test]
    fn pngs_decode_to_what_was_written() {
        let image = Plane::from_fn(7, 3, |x, y| (x * 1000 + y) as u16);
        let raster = decode(&encode_gray16_png(&image).unwrap(), &Limits::default()).unwrap();
        assert_eq!(raster.values, image);
        assert!(encode_gray_png(&Plane::filled(0, 1, 0)).is_err());
        let colour = decode(
            &encode_rgb_png(&Plane::filled(4, 4, [255, 0, 0])).unwrap(),
            &Limits::default(),
        )
        .unwrap();
        assert!(colour.colour);
    }
}
