//! Decoding of one compressed frame. Each decoder is called with its size checked beforehand and its panics caught.

use crate::error::DicomError;
use crate::jpegls;
use hilum_image::guard;
use jpeg_decoder::{ColorTransform, PixelFormat};
use std::io::Read;

/// An encoding of pixel data that is read here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// Not compressed (implicit, explicit, big endian, deflated data set).
    Native,
    /// RLE Lossless.
    Rle,
    /// JPEG baseline, extended and lossless.
    Jpeg,
    /// JPEG-LS.
    JpegLs,
    /// JPEG 2000.
    Jpeg2000,
    /// Deflated Image Frame Compression.
    DeflatedFrame,
}

impl Encoding {
    /// By transfer syntax UID; `None` when there is no decoder.
    pub fn of(uid: &str) -> Option<Encoding> {
        match uid.strip_prefix("1.2.840.10008.1.2")? {
            "" | ".1" | ".2" | ".1.99" | ".1.98" => Some(Encoding::Native),
            ".5" => Some(Encoding::Rle),
            ".4.50" | ".4.51" | ".4.57" | ".4.70" => Some(Encoding::Jpeg),
            ".4.80" | ".4.81" => Some(Encoding::JpegLs),
            ".4.90" | ".4.91" => Some(Encoding::Jpeg2000),
            ".8.1" => Some(Encoding::DeflatedFrame),
            _ => None,
        }
    }

    /// Name for messages.
    pub fn name(self) -> &'static str {
        match self {
            Encoding::Native => "uncompressed",
            Encoding::Rle => "RLE",
            Encoding::Jpeg => "JPEG",
            Encoding::JpegLs => "JPEG-LS",
            Encoding::Jpeg2000 => "JPEG 2000",
            Encoding::DeflatedFrame => "deflated frame",
        }
    }
}

/// What a frame must have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameSpec {
    /// Columns.
    pub columns: usize,
    /// Rows.
    pub rows: usize,
    /// Samples per pixel.
    pub samples: usize,
    /// Bits allocated for a sample.
    pub bits_allocated: u32,
    /// The photometric interpretation says that the samples are stored as luma and chroma.
    pub ybr: bool,
}

impl FrameSpec {
    fn values(&self) -> usize {
        self.columns * self.rows * self.samples
    }

    /// Bytes of one uncompressed frame.
    pub fn bytes(&self) -> usize {
        if self.bits_allocated == 1 {
            self.values().div_ceil(8)
        } else {
            self.values() * (self.bits_allocated as usize / 8)
        }
    }
}

/// Samples interleaved by pixel, as the codestream has them (no sign taken from the data set yet).
pub(crate) type Samples = Vec<i32>;

/// Decodes one frame.
///
/// # Errors
/// [`DicomError::Decode`] with the decoder's words, or when its size is not that of the data set.
pub(crate) fn decode(
    encoding: Encoding,
    data: &[u8],
    spec: &FrameSpec,
    frame: usize,
) -> Result<Samples, DicomError> {
    let fail = |reason: String| DicomError::Decode {
        codec: encoding.name(),
        frame,
        reason,
    };
    let work = || match encoding {
        Encoding::Jpeg => decode_jpeg(data, spec),
        Encoding::JpegLs => decode_jpegls(data, spec),
        Encoding::Jpeg2000 => decode_j2k(data, spec),
        Encoding::Rle => decode_rle(data, spec),
        Encoding::Native | Encoding::DeflatedFrame => Err("no codestream".to_owned()),
    };
    let samples = guard::catch(work).unwrap_or_else(Err).map_err(fail)?;
    if samples.len() != spec.values() {
        return Err(fail(format!(
            "{} samples, expected {}",
            samples.len(),
            spec.values()
        )));
    }
    Ok(samples)
}

/// Inflates one frame of Deflated Image Frame Compression.
///
/// # Errors
/// [`DicomError::Decode`].
pub(crate) fn inflate(data: &[u8], spec: &FrameSpec, frame: usize) -> Result<Vec<u8>, DicomError> {
    let mut out = Vec::with_capacity(spec.bytes());
    let mut reader = flate2::read::DeflateDecoder::new(data).take(spec.bytes() as u64);
    reader
        .read_to_end(&mut out)
        .map_err(|e| DicomError::Decode {
            codec: Encoding::DeflatedFrame.name(),
            frame,
            reason: e.to_string(),
        })?;
    Ok(out)
}

/// Precision, height, width and components from the first frame header of a JPEG or JPEG-LS stream.
fn jpeg_frame_header(data: &[u8]) -> Option<(u8, u8, usize, usize, usize)> {
    let mut at = 2;
    while let Some(&[mark, kind]) = data
        .get(at..at + 2)
        .and_then(|b| <&[u8; 2]>::try_from(b).ok())
    {
        if mark != 0xFF {
            return None;
        }
        if kind == 0xFF {
            at += 1;
            continue;
        }
        if matches!(kind, 0x01 | 0xD0..=0xD8) {
            at += 2;
            continue;
        }
        let is_frame = matches!(kind, 0xC0..=0xC3 | 0xC5..=0xC7 | 0xC9..=0xCB | 0xCD..=0xCF | 0xF7);
        if is_frame {
            let h = data.get(at + 4..at + 10)?;
            let two = |i: usize| usize::from(u16::from_be_bytes([h[i], h[i + 1]]));
            return Some((kind, h[0], two(1), two(3), usize::from(h[5])));
        }
        at += 2 + usize::from(u16::from_be_bytes([*data.get(at + 2)?, *data.get(at + 3)?]));
    }
    None
}

fn check_size(columns: usize, rows: usize, samples: usize, spec: &FrameSpec) -> Result<(), String> {
    if (columns, rows, samples) == (spec.columns, spec.rows, spec.samples) {
        return Ok(());
    }
    Err(format!(
        "the codestream is {columns}x{rows} with {samples} samples, the data set says {}x{} with {}",
        spec.columns, spec.rows, spec.samples
    ))
}

fn decode_jpeg(data: &[u8], spec: &FrameSpec) -> Result<Samples, String> {
    let (kind, precision, rows, columns, components) =
        jpeg_frame_header(data).ok_or("no frame header")?;
    check_size(columns, rows, components, spec)?;
    if precision == 12 && kind != 0xC3 {
        return decode_jpeg12(data);
    }
    let mut decoder = jpeg_decoder::Decoder::new(data);
    if components == 3 && kind != 0xC3 {
        let stated = if spec.ybr {
            ColorTransform::YCbCr
        } else {
            ColorTransform::RGB
        };
        decoder.set_color_transform(stated);
    }
    decoder.set_max_decoding_buffer_size(spec.values() * 2 + 1024);
    let bytes = decoder.decode().map_err(|e| e.to_string())?;
    let format = decoder.info().ok_or("no image")?.pixel_format;
    Ok(match format {
        PixelFormat::L16 => bytes
            .chunks_exact(2)
            .map(|b| i32::from(u16::from_ne_bytes([b[0], b[1]])))
            .collect(),
        _ => bytes.into_iter().map(i32::from).collect(),
    })
}

fn decode_jpeg12(data: &[u8]) -> Result<Samples, String> {
    let image = libjpeg_turbo_rs::precision::decompress_12bit(data).map_err(|e| e.to_string())?;
    Ok(image.data.into_iter().map(i32::from).collect())
}

fn decode_jpegls(data: &[u8], spec: &FrameSpec) -> Result<Samples, String> {
    let (_, _, rows, columns, components) = jpeg_frame_header(data).ok_or("no frame header")?;
    check_size(columns, rows, components, spec)?;
    let image = jpegls::decode(data)?;
    check_size(image.width, image.height, image.components, spec)?;
    Ok(image.samples)
}

/// Width, height and components from the SIZ marker of a JPEG 2000 codestream, bare or in a JP2 box.
fn j2k_header(data: &[u8]) -> Option<(usize, usize, usize)> {
    let at = data
        .windows(4)
        .position(|w| w == [0xFF, 0x4F, 0xFF, 0x51])?;
    let siz = data.get(at + 4..at + 42)?;
    let four = |i: usize| u32::from_be_bytes([siz[i], siz[i + 1], siz[i + 2], siz[i + 3]]) as usize;
    let width = four(4).checked_sub(four(12))?;
    let height = four(8).checked_sub(four(16))?;
    Some((
        width,
        height,
        usize::from(u16::from_be_bytes([siz[36], siz[37]])),
    ))
}

fn decode_j2k(data: &[u8], spec: &FrameSpec) -> Result<Samples, String> {
    let (columns, rows, components) = j2k_header(data).ok_or("no SIZ marker")?;
    check_size(columns, rows, components, spec)?;
    let params = jpeg2k::DecodeParameters::new().strict(true);
    let image = jpeg2k::Image::from_bytes_with(data, params).map_err(|e| e.to_string())?;
    let planes: Vec<&[i32]> = image.components().iter().map(|c| c.data()).collect();
    if planes.len() != spec.samples || planes.iter().any(|p| p.len() != spec.columns * spec.rows) {
        return Err("components of different sizes".to_owned());
    }
    Ok(interleave(&planes))
}

fn interleave(planes: &[&[i32]]) -> Samples {
    match planes {
        [one] => one.to_vec(),
        _ => (0..planes[0].len())
            .flat_map(|i| planes.iter().map(move |p| p[i]))
            .collect(),
    }
}

/// RLE Lossless (PS3.5 Annex G): byte planes, most significant first, one PackBits segment each.
fn decode_rle(data: &[u8], spec: &FrameSpec) -> Result<Samples, String> {
    let word = |i: usize| {
        data.get(4 * i..4 * i + 4)
            .map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]) as usize)
    };
    let segments = word(0).ok_or("no header")?;
    let bytes = (spec.bits_allocated as usize).div_ceil(8);
    if segments != spec.samples * bytes || segments > 15 {
        return Err(format!(
            "{segments} segments, expected {}",
            spec.samples * bytes
        ));
    }
    let pixels = spec.columns * spec.rows;
    // Two bytes unpack to 128 at most: nothing is allocated for a size that the data cannot fill.
    if pixels * segments > 64 * data.len() {
        return Err(format!("{} bytes cannot hold {pixels} pixels", data.len()));
    }
    let mut out = vec![0u32; pixels * spec.samples];
    for segment in 0..segments {
        let start = word(1 + segment).ok_or("the header ends early")?;
        let end = if segment + 1 < segments {
            word(2 + segment).ok_or("the header ends early")?
        } else {
            data.len()
        };
        let packed = data
            .get(start..end)
            .ok_or("a segment lies outside the data")?;
        let plane = unpack_bits(packed, pixels)?;
        let (sample, shift) = (segment / bytes, 8 * (bytes - 1 - segment % bytes));
        for (target, value) in out[sample..].iter_mut().step_by(spec.samples).zip(plane) {
            *target |= u32::from(value) << shift;
        }
    }
    Ok(out.into_iter().map(|v| v as i32).collect())
}

fn unpack_bits(packed: &[u8], length: usize) -> Result<Vec<u8>, String> {
    let mut out = Vec::with_capacity(length);
    let mut at = 0;
    while out.len() < length {
        let control = *packed.get(at).ok_or("a segment ends early")?;
        at += 1;
        if control < 128 {
            let count = usize::from(control) + 1;
            out.extend_from_slice(
                packed
                    .get(at..at + count)
                    .ok_or("a literal run ends early")?,
            );
            at += count;
        } else if control > 128 {
            let value = *packed.get(at).ok_or("a replicate run ends early")?;
            at += 1;
            out.resize(out.len() + 257 - usize::from(control), value);
        }
    }
    out.truncate(length);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pack_bits_literal_and_replicate() {
        assert_eq!(
            unpack_bits(&[1, 7, 8, 254, 9, 128], 5),
            Ok(vec![7, 8, 9, 9, 9])
        );
        assert!(unpack_bits(&[5, 1], 6).is_err());
        assert!(unpack_bits(&[], 1).is_err());
    }

    #[test]
    fn a_codestream_of_another_size_is_refused() {
        let spec = FrameSpec {
            columns: 4,
            rows: 4,
            samples: 1,
            bits_allocated: 8,
            ybr: false,
        };
        let sof = [
            0xFF, 0xD8, 0xFF, 0xC0, 0, 11, 8, 0xFF, 0xFF, 0xFF, 0xFF, 1, 1, 0x11, 0,
        ];
        let error = decode(Encoding::Jpeg, &sof, &spec, 0).unwrap_err();
        assert!(error.to_string().contains("65535x65535"), "{error}");
    }
}
