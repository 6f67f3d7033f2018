//! Small pictures for run folders: tables as heat maps, points in colours, maps over radiographs.

use crate::error::{MethodError, Result};
use hilum_image::Plane;
use hilum_image::draw::{Canvas, PALETTE, Rgb, encode_rgb_png, heat, inferno};
use std::fmt::Write as _;

/// Pixels of a cell of a heat map.
const CELL: usize = 72;
/// Pixels beside and above the cells.
const MARGIN: usize = 150;

/// A table of numbers as an SVG, darker from `low` to `high`; a missing number stays white.
pub fn heat_table(
    title: &str,
    rows: &[String],
    columns: &[String],
    values: &[Vec<Option<f64>>],
    (low, high): (f64, f64),
) -> String {
    let (w, h) = (
        MARGIN + CELL * columns.len() + 10,
        MARGIN + CELL * rows.len() + 10,
    );
    let mut out = open(w, h, title);
    for (j, name) in columns.iter().enumerate() {
        let x = MARGIN + CELL * j + CELL / 2;
        let _ = writeln!(
            out,
            r#"<text x="{x}" y="{y}" transform="rotate(-40 {x} {y})">{name}</text>"#,
            y = MARGIN - 8,
            name = escape(name),
        );
    }
    for (i, name) in rows.iter().enumerate() {
        let y = MARGIN + CELL * i + CELL / 2 + 4;
        let _ = writeln!(
            out,
            r#"<text x="{}" y="{y}" text-anchor="end">{}</text>"#,
            MARGIN - 8,
            escape(name)
        );
        for (j, value) in values.get(i).into_iter().flatten().enumerate() {
            let (x, top) = (MARGIN + CELL * j, MARGIN + CELL * i);
            let Some(v) = value else { continue };
            let share = ((v - low) / (high - low)).clamp(0.0, 1.0);
            let [r, g, b] = inferno(0.95 - 0.75 * share as f32);
            let ink = if share > 0.45 { "#fff" } else { "#000" };
            let _ = writeln!(
                out,
                r##"<rect x="{x}" y="{top}" width="{CELL}" height="{CELL}" fill="rgb({r},{g},{b})" stroke="#fff"/><text x="{}" y="{y}" text-anchor="middle" fill="{ink}">{v:.2}</text>"##,
                x + CELL / 2
            );
        }
    }
    out.push_str("</svg>\n");
    out
}

/// Named groups of points as an SVG.
pub fn scatter(title: &str, axes: (&str, &str), groups: &[(String, Vec<[f64; 2]>)]) -> String {
    const SIDE: f64 = 420.0;
    let points = || groups.iter().flat_map(|(_, p)| p);
    let range = |k: usize| {
        let (low, high) = points().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), p| {
            (l.min(p[k]), h.max(p[k]))
        });
        let span = (high - low).max(1e-12);
        move |v: f64| (v - low) / span
    };
    let (x_of, y_of) = (range(0), range(1));
    let mut out = open(640, 490, title);
    let _ = writeln!(
        out,
        r##"<rect x="40" y="30" width="{SIDE}" height="{SIDE}" fill="none" stroke="#888"/><text x="250" y="470" text-anchor="middle">{}</text><text x="20" y="240" transform="rotate(-90 20 240)" text-anchor="middle">{}</text>"##,
        escape(axes.0),
        escape(axes.1)
    );
    for (g, (name, points)) in groups.iter().enumerate() {
        let [r, b, c] = PALETTE[g % PALETTE.len()];
        for p in points {
            let (x, y) = (
                44.0 + x_of(p[0]) * (SIDE - 8.0),
                26.0 + SIDE - y_of(p[1]) * (SIDE - 8.0),
            );
            let _ = writeln!(
                out,
                r#"<circle cx="{x:.1}" cy="{y:.1}" r="3" fill="rgb({r},{b},{c})" fill-opacity="0.65"/>"#
            );
        }
        let y = 45 + 20 * g;
        let _ = writeln!(
            out,
            r#"<circle cx="478" cy="{}" r="5" fill="rgb({r},{b},{c})"/><text x="490" y="{y}">{}</text>"#,
            y - 4,
            escape(name)
        );
    }
    out.push_str("</svg>\n");
    out
}

fn open(w: usize, h: usize, title: &str) -> String {
    format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" width="{w}" height="{h}" font-family="sans-serif" font-size="12"><rect width="{w}" height="{h}" fill="#fff"/><text x="10" y="18" font-size="14">{}</text>
"##,
        escape(title)
    )
}

/// Text that may stand in XML and HTML.
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

/// Grey levels in colour.
pub fn grey(plane: &Plane<u8>) -> Canvas {
    plane.map(|&v| [v; 3])
}

/// A radiograph with a map over it, scaled to the map's 99.5th percentile; a map without a positive value changes nothing.
///
/// # Errors
/// A map of another size.
pub fn overlay(plane: &Plane<u8>, map: &[f32]) -> Result<Canvas> {
    let mut out = grey(plane);
    let top = percentile(map, 0.995);
    let scaled = Plane::new(
        plane.width,
        plane.height,
        map.iter().map(|v| scaled(*v, top)).collect(),
    )?;
    heat(&mut out, &scaled, 0.85)?;
    Ok(out)
}

/// A radiograph with what speaks for a class in orange and what speaks against it in blue, on one scale.
///
/// # Errors
/// A map of another size.
pub fn signed_overlay(plane: &Plane<u8>, map: &[f32]) -> Result<Canvas> {
    if map.len() != plane.data.len() {
        return Err(MethodError::Config(format!(
            "a map of {} values over a picture of {}",
            map.len(),
            plane.data.len()
        )));
    }
    let size: Vec<f32> = map.iter().map(|v| v.abs()).collect();
    let top = percentile(&size, 0.995);
    let mut out = grey(plane);
    for (pixel, v) in out.data.iter_mut().zip(map) {
        let colour: Rgb = if *v >= 0.0 {
            [230, 120, 0]
        } else {
            [40, 120, 230]
        };
        let alpha = 0.9 * scaled(v.abs(), top);
        for (p, c) in pixel.iter_mut().zip(colour) {
            *p = (f32::from(*p) * (1.0 - alpha) + f32::from(c) * alpha) as u8;
        }
    }
    Ok(out)
}

fn scaled(v: f32, top: f32) -> f32 {
    if top > 0.0 {
        (v / top).clamp(0.0, 1.0)
    } else {
        0.0
    }
}

fn percentile(map: &[f32], q: f64) -> f32 {
    let mut sorted = map.to_vec();
    sorted.sort_by(f32::total_cmp);
    let at = ((sorted.len().max(1) - 1) as f64 * q).round() as usize;
    sorted.get(at).copied().unwrap_or(0.0)
}

/// Canvases of one size side by side, `columns` a row, each enlarged `zoom` times.
///
/// # Errors
/// No canvases, or canvases of several sizes.
pub fn tiles(canvases: &[Canvas], columns: usize, zoom: usize) -> Result<Canvas> {
    let Some(first) = canvases.first() else {
        return Err(MethodError::Config("no pictures to show".to_owned()));
    };
    for canvas in canvases {
        first.check_same_size(canvas)?;
    }
    let (w, h) = (first.width * zoom + 4, first.height * zoom + 4);
    let columns = columns.clamp(1, canvases.len());
    let rows = canvases.len().div_ceil(columns);
    Ok(Plane::from_fn(columns * w, rows * h, |x, y| {
        let at = (y / h) * columns + x / w;
        let (dx, dy) = ((x % w) / zoom, (y % h) / zoom);
        match canvases.get(at) {
            Some(c) if dx < c.width && dy < c.height => c.row(dy)[dx],
            _ => [255; 3],
        }
    }))
}

/// A canvas as a PNG.
///
/// # Errors
/// A canvas without pixels.
pub fn png(canvas: &Canvas) -> Result<Vec<u8>> {
    Ok(encode_rgb_png(canvas)?)
}

/// Bytes as text that may stand in a page (RFC 4648, section 4).
pub fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for part in bytes.chunks(3) {
        let word = part
            .iter()
            .enumerate()
            .fold(0u32, |w, (i, b)| w | u32::from(*b) << (16 - 8 * i));
        for i in 0..4 {
            if i <= part.len() {
                out.push(char::from(LETTERS[(word >> (18 - 6 * i)) as usize & 63]));
            } else {
                out.push('=');
            }
        }
    }
    out
}

/// The mean of a map over blocks, `cells` a side: a coarse copy.
pub fn coarse(map: &[f32], w: usize, cells: usize) -> Vec<f64> {
    let h = map.len() / w.max(1);
    let mut out = Vec::with_capacity(cells * cells);
    for cy in 0..cells {
        for cx in 0..cells {
            let (y0, y1) = (
                cy * h / cells,
                ((cy + 1) * h / cells).max(cy * h / cells + 1),
            );
            let (x0, x1) = (
                cx * w / cells,
                ((cx + 1) * w / cells).max(cx * w / cells + 1),
            );
            let mut sum = 0.0;
            for y in y0..y1.min(h) {
                sum += map[y * w + x0..y * w + x1.min(w)]
                    .iter()
                    .map(|&v| f64::from(v))
                    .sum::<f64>();
            }
            out.push(sum / ((y1 - y0) * (x1 - x0)) as f64);
        }
    }
    out
}

/// The share of a map's absolute values that lies where `inside` says; `None` for a map of zeros.
pub fn mass_inside(map: &[f32], inside: impl Fn(usize) -> bool) -> Option<f64> {
    let (mut within, mut total) = (0.0, 0.0);
    for (i, v) in map.iter().enumerate() {
        let v = f64::from(v.abs());
        total += v;
        if inside(i) {
            within += v;
        }
    }
    (total > 0.0).then(|| within / total)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The test vectors of RFC 4648, section 10.
    #[test]
    fn bytes_become_the_letters_of_the_standard() {
        for (bytes, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }

    #[test]
    fn mass_and_blocks_are_means_and_shares() {
        let map = [1.0, -1.0, 0.0, 2.0];
        assert_eq!(mass_inside(&map, |i| i == 3), Some(0.5));
        assert_eq!(mass_inside(&[0.0; 4], |_| true), None);
        assert_eq!(coarse(&map, 2, 1), vec![0.5]);
        assert_eq!(coarse(&map, 2, 2), vec![1.0, -1.0, 0.0, 2.0]);
    }

    #[test]
    fn pictures_hold_what_is_put_in() {
        let table = heat_table(
            "a < b",
            &["r".to_owned()],
            &["c".to_owned()],
            &[vec![Some(0.5)]],
            (0.0, 1.0),
        );
        assert!(table.contains("a &lt; b") && table.contains("0.50"));
        let points = scatter("t", ("x", "y"), &[("g".to_owned(), vec![[0.0, 1.0]])]);
        assert!(points.contains("<circle"));
        let plane = Plane::filled(4, 3, 100u8);
        let mut map = vec![0.0f32; 12];
        map[5] = 1.0;
        map[6] = -1.0;
        let signed = signed_overlay(&plane, &map).unwrap();
        assert!(signed.data[5][0] > signed.data[5][2] && signed.data[6][2] > signed.data[6][0]);
        assert_eq!(signed.data[0], [100; 3]);
        assert!(signed_overlay(&plane, &[0.0]).is_err());
        let both = tiles(&[signed.clone(), overlay(&plane, &map).unwrap()], 2, 2).unwrap();
        assert_eq!((both.width, both.height), (24, 10));
        assert!(tiles(&[], 1, 1).is_err());
        assert!(png(&both).unwrap().starts_with(&[0x89, b'P', b'N', b'G']));
    }
}
