//! PNG, JPEG and TIFF from bytes, with limits that are checked before anything is allocated.

use crate::error::ImageError;
use crate::guard;
use crate::plane::Plane;
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader};
use std::io::Cursor;

/// What a file may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Largest width or height in pixels.
    pub max_side: u64,
    /// Most pixels in one frame.
    pub max_pixels: u64,
    /// Most bytes that a decoder may allocate.
    pub max_bytes: u64,
    /// Largest file in bytes.
    pub max_file_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            max_side: 16_384,
            max_pixels: 200_000_000,
            max_bytes: 1 << 31,
            max_file_bytes: 1 << 30,
        }
    }
}

impl Limits {
    /// `Ok` when an image of this size may be decoded.
    ///
    /// # Errors
    /// [`ImageError::TooLarge`].
    pub fn check(&self, width: u64, height: u64) -> Result<(), ImageError> {
        let pixels = width.checked_mul(height);
        if width <= self.max_side
            && height <= self.max_side
            && pixels.is_some_and(|p| p <= self.max_pixels)
        {
            return Ok(());
        }
        Err(ImageError::TooLarge {
            width,
            height,
            max_side: self.max_side,
            max_pixels: self.max_pixels,
        })
    }
}

/// File format of a [`Raster`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RasterKind {
    /// PNG.
    Png,
    /// JPEG.
    Jpeg,
    /// TIFF.
    Tiff,
}

impl RasterKind {
    /// By magic bytes; `None` when they are of no supported format.
    pub fn sniff(bytes: &[u8]) -> Option<RasterKind> {
        if bytes.starts_with(b"\x89PNG\r\n\x1a\n") {
            Some(RasterKind::Png)
        } else if bytes.starts_with(&[0xFF, 0xD8, 0xFF]) {
            Some(RasterKind::Jpeg)
        } else if bytes.starts_with(b"II*\0") || bytes.starts_with(b"MM\0*") {
            Some(RasterKind::Tiff)
        } else {
            None
        }
    }

    /// `PNG`, `JPEG` or `TIFF`.
    pub fn name(self) -> &'static str {
        match self {
            RasterKind::Png => "PNG",
            RasterKind::Jpeg => "JPEG",
            RasterKind::Tiff => "TIFF",
        }
    }

    fn format(self) -> ImageFormat {
        match self {
            RasterKind::Png => ImageFormat::Png,
            RasterKind::Jpeg => ImageFormat::Jpeg,
            RasterKind::Tiff => ImageFormat::Tiff,
        }
    }
}

/// A decoded file as one grey plane.
#[derive(Debug, Clone, PartialEq)]
pub struct Raster {
    /// Its format.
    pub kind: RasterKind,
    /// Grey values; colour is turned into Rec. 601 luma.
    pub values: Plane<u16>,
    /// 8 or 16: values are below `2^bits`.
    pub bits: u8,
    /// True for true colour, false for grey and for grey stored as RGB. See [`COLOUR_TOLERANCE`].
    pub colour: bool,
    /// True when the file had an alpha channel that was not opaque everywhere (it was laid over black).
    pub transparent: bool,
}

/// Channels that differ by at most this share of the full range count as grey: JPEG chroma and scanner tints differ a little.
pub const COLOUR_TOLERANCE: f64 = 24.0 / 255.0;

/// An image is true colour when more than this share of its pixels is beyond [`COLOUR_TOLERANCE`]; fewer are coloured marks on a film.
pub const COLOUR_SHARE: f64 = 0.02;

/// Decodes PNG, JPEG or TIFF by their magic bytes.
///
/// # Errors
/// [`ImageError::UnknownFormat`], [`ImageError::TooLarge`] and [`ImageError::MemoryLimit`] (before allocation),
/// [`ImageError::Truncated`], [`ImageError::Corrupt`], [`ImageError::Unsupported`].
pub fn decode(bytes: &[u8], limits: &Limits) -> Result<Raster, ImageError> {
    let (image, kind) = open(bytes, limits)?;
    to_raster(image, kind)
}

/// Decodes PNG, JPEG or TIFF to red, green and blue of 8 bits, for pictures that colour belongs to (stained tissue); grey becomes three
/// equal values, alpha is dropped, 16 bits are rounded. Radiographs go through [`decode`].
///
/// # Errors
/// As [`decode`].
pub fn decode_colour(bytes: &[u8], limits: &Limits) -> Result<Plane<[u8; 3]>, ImageError> {
    let rgb = open(bytes, limits)?.0.into_rgb8();
    let (width, height) = (rgb.width() as usize, rgb.height() as usize);
    let pixels = rgb.into_raw();
    let (triples, _) = pixels.as_chunks::<3>();
    Plane::new(width, height, triples.to_vec())
}

fn open(bytes: &[u8], limits: &Limits) -> Result<(DynamicImage, RasterKind), ImageError> {
    let kind = RasterKind::sniff(bytes).ok_or(ImageError::UnknownFormat)?;
    if kind == RasterKind::Jpeg && !jpeg_has_end(bytes) {
        return Err(ImageError::Truncated {
            format: kind.name(),
        });
    }
    let image = guard::catch(|| decode_dynamic(bytes, kind, limits)).unwrap_or_else(|reason| {
        Err(ImageError::Corrupt {
            format: kind.name(),
            reason,
        })
    })?;
    Ok((image, kind))
}

fn decode_dynamic(
    bytes: &[u8],
    kind: RasterKind,
    limits: &Limits,
) -> Result<DynamicImage, ImageError> {
    let mut reader = ImageReader::with_format(Cursor::new(bytes), kind.format());
    let mut allowed = image::Limits::default();
    allowed.max_alloc = Some(limits.max_bytes);
    reader.limits(allowed);
    let decoder = reader
        .into_decoder()
        .map_err(|e| convert_error(e, kind, limits))?;
    let (width, height) = decoder.dimensions();
    limits.check(u64::from(width), u64::from(height))?;
    if decoder.total_bytes() > limits.max_bytes {
        return Err(ImageError::MemoryLimit {
            max_bytes: limits.max_bytes,
        });
    }
    DynamicImage::from_decoder(decoder).map_err(|e| convert_error(e, kind, limits))
}

fn convert_error(error: image::ImageError, kind: RasterKind, limits: &Limits) -> ImageError {
    let format = kind.name();
    match &error {
        image::ImageError::Limits(_) => {
            return ImageError::MemoryLimit {
                max_bytes: limits.max_bytes,
            };
        }
        image::ImageError::Unsupported(e) => {
            return ImageError::Unsupported {
                format,
                what: e.to_string(),
            };
        }
        _ => {}
    }
    if ends_early(&error) {
        ImageError::Truncated { format }
    } else {
        ImageError::Corrupt {
            format,
            reason: error.to_string(),
        }
    }
}

/// Decoders report a short file as an I/O error somewhere in the chain, or only in words.
fn ends_early(error: &image::ImageError) -> bool {
    let mut link: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(e) = link {
        if e.downcast_ref::<std::io::Error>()
            .is_some_and(|e| e.kind() == std::io::ErrorKind::UnexpectedEof)
        {
            return true;
        }
        link = e.source();
    }
    let words = error.to_string().to_ascii_lowercase();
    [
        "unexpected end",
        "unexpected eof",
        "exhausted",
        "not enough",
        "premature",
    ]
    .iter()
    .any(|w| words.contains(w))
}

/// True when an end-of-image marker follows the first scan. Decoders fill a cut file with grey without a word.
fn jpeg_has_end(bytes: &[u8]) -> bool {
    let mut at = 2;
    while at + 4 <= bytes.len() && bytes[at] == 0xFF {
        let marker = bytes[at + 1];
        if marker == 0xFF {
            at += 1;
            continue;
        }
        if marker == 0xDA {
            return bytes[at..].windows(2).any(|w| w == [0xFF, 0xD9]);
        }
        let standalone = marker == 0x01 || (0xD0..=0xD8).contains(&marker);
        let length = usize::from(u16::from_be_bytes([bytes[at + 2], bytes[at + 3]]));
        at += if standalone { 2 } else { 2 + length };
    }
    false
}

fn to_raster(image: DynamicImage, kind: RasterKind) -> Result<Raster, ImageError> {
    let (width, height) = (image.width() as usize, image.height() as usize);
    let sixteen = match &image {
        DynamicImage::ImageLuma8(_)
        | DynamicImage::ImageLumaA8(_)
        | DynamicImage::ImageRgb8(_)
        | DynamicImage::ImageRgba8(_) => false,
        DynamicImage::ImageLuma16(_)
        | DynamicImage::ImageLumaA16(_)
        | DynamicImage::ImageRgb16(_)
        | DynamicImage::ImageRgba16(_) => true,
        other => {
            return Err(ImageError::Unsupported {
                format: kind.name(),
                what: format!("sample type {:?}", other.color()),
            });
        }
    };
    let channels = usize::from(image.color().channel_count());
    let samples: Vec<u16> = if sixteen {
        image
            .as_flat_samples_u16()
            .map(|f| f.as_slice().to_vec())
            .unwrap_or_default()
    } else {
        image.as_bytes().iter().map(|&v| u16::from(v)).collect()
    };
    let full = if sixteen { 65535 } else { 255 };
    let (values, colour, transparent) = to_grey(samples, channels, full);
    let bits = if sixteen { 16 } else { 8 };
    Ok(Raster {
        kind,
        values: Plane::new(width, height, values)?,
        bits,
        colour,
        transparent,
    })
}

fn to_grey(samples: Vec<u16>, channels: usize, full: u32) -> (Vec<u16>, bool, bool) {
    if channels == 1 {
        return (samples, false, false);
    }
    let has_alpha = channels == 2 || channels == 4;
    let tolerance = (f64::from(full) * COLOUR_TOLERANCE) as u16;
    let (mut coloured, mut transparent) = (0usize, false);
    let grey: Vec<u16> = samples
        .chunks_exact(channels)
        .map(|px| {
            let mut level = u32::from(px[0]);
            if channels >= 3 {
                let (low, high) = (px[0].min(px[1]).min(px[2]), px[0].max(px[1]).max(px[2]));
                coloured += usize::from(high - low > tolerance);
                level = luma(px);
            }
            let alpha = if has_alpha {
                u32::from(px[channels - 1])
            } else {
                full
            };
            transparent |= alpha != full;
            ((u64::from(level) * u64::from(alpha) + u64::from(full / 2)) / u64::from(full)) as u16
        })
        .collect();
    let colour = coloured as f64 > COLOUR_SHARE * grey.len() as f64;
    (grey, colour, transparent)
}

/// Rec. 601 luma, exact for equal channels.
fn luma(px: &[u16]) -> u32 {
    (299 * u32::from(px[0]) + 587 * u32::from(px[1]) + 114 * u32::from(px[2]) + 500) / 1000
}

#[cfg(test)]
mod tests {
    use super::*;

    fn png(
        width: u32,
        height: u32,
        colour: png::ColorType,
        depth: png::BitDepth,
        data: &[u8],
    ) -> Vec<u8> {
        let mut out = Vec::new();
        let mut encoder = png::Encoder::new(&mut out, width, height);
        encoder.set_color(colour);
        encoder.set_depth(depth);
        encoder
            .write_header()
            .unwrap()
            .write_image_data(data)
            .unwrap();
        out
    }

    #[test]
    fn sixteen_bit_grey_keeps_its_values() {
        let bytes = png(
            2,
            1,
            png::ColorType::Grayscale,
            png::BitDepth::Sixteen,
            &[0x12, 0x34, 0xFF, 0xFF],
        );
        let raster = decode(&bytes, &Limits::default()).unwrap();
        assert_eq!(
            (raster.bits, raster.values.data),
            (16, vec![0x1234, 0xFFFF])
        );
    }

    #[test]
    fn colours_are_kept_where_they_are_asked_for() {
        let red: Vec<u8> = [200, 30, 40].repeat(6);
        let file = png(3, 2, png::ColorType::Rgb, png::BitDepth::Eight, &red);
        let plane = decode_colour(&file, &Limits::default()).unwrap();
        assert_eq!((plane.width, plane.height), (3, 2));
        assert!(plane.data.iter().all(|p| *p == [200, 30, 40]));
        let grey = png(
            2,
            1,
            png::ColorType::Grayscale,
            png::BitDepth::Eight,
            &[7, 9],
        );
        let plane = decode_colour(&grey, &Limits::default()).unwrap();
        assert_eq!(plane.data, [[7; 3], [9; 3]]);
        assert!(decode_colour(b"nothing", &Limits::default()).is_err());
    }

    #[test]
    fn grey_as_rgb_is_no_colour_and_a_red_field_is() {
        let grey: Vec<u8> = (0..100u8).flat_map(|v| [v, v + 3, v]).collect();
        let raster = decode(
            &png(10, 10, png::ColorType::Rgb, png::BitDepth::Eight, &grey),
            &Limits::default(),
        )
        .unwrap();
        assert!(!raster.colour);
        let red: Vec<u8> = (0..100).flat_map(|_| [200, 10, 10]).collect();
        let raster = decode(
            &png(10, 10, png::ColorType::Rgb, png::BitDepth::Eight, &red),
            &Limits::default(),
        )
        .unwrap();
        assert!(raster.colour);
    }

    #[test]
    fn alpha_is_laid_over_black() {
        let data = [200, 255, 200, 0];
        let raster = decode(
            &png(
                2,
                1,
                png::ColorType::GrayscaleAlpha,
                png::BitDepth::Eight,
                &data,
            ),
            &Limits::default(),
        )
        .unwrap();
        assert_eq!(raster.values.data, vec![200, 0]);
        assert!(raster.transparent);
    }

    #[test]
    fn a_huge_header_is_refused_before_decoding() {
        let mut bytes = png(1, 1, png::ColorType::Grayscale, png::BitDepth::Eight, &[0]);
        bytes[16..24].copy_from_slice(&[0, 0, 0x4E, 0x20, 0, 0, 0x4E, 0x20]);
        let crc = crc32(&bytes[12..29]);
        bytes[29..33].copy_from_slice(&crc.to_be_bytes());
        let error = decode(&bytes, &Limits::default()).unwrap_err();
        assert!(
            matches!(
                error,
                ImageError::TooLarge {
                    width: 20000,
                    height: 20000,
                    ..
                }
            ),
            "{error}"
        );
    }

    fn crc32(bytes: &[u8]) -> u32 {
        !bytes.iter().fold(!0u32, |crc, &b| {
            (0..8).fold(crc ^ u32::from(b), |c, _| {
                (c >> 1) ^ (0xEDB8_8320 & (c & 1).wrapping_neg())
            })
        })
    }

    #[test]
    fn a_cut_png_is_truncated() {
        let noise: Vec<u8> = (0..4096u32)
            .map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8)
            .collect();
        let bytes = png(
            64,
            64,
            png::ColorType::Grayscale,
            png::BitDepth::Eight,
            &noise,
        );
        let error = decode(&bytes[..bytes.len() / 2], &Limits::default()).unwrap_err();
        assert!(matches!(error, ImageError::Truncated { .. }), "{error:?}");
    }

    #[test]
    fn other_bytes_are_unknown() {
        assert_eq!(
            decode(b"hello", &Limits::default()),
            Err(ImageError::UnknownFormat)
        );
        assert_eq!(
            decode(b"", &Limits::default()),
            Err(ImageError::UnknownFormat)
        );
    }
}
