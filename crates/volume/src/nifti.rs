//! NIfTI-1 files, `.nii` and `.nii.gz`.
//!
//! The header is parsed by the crate `nifti`; the voxels are read here so that a header cannot make us allocate
//! what the file does not hold.

use crate::Vec3;
use crate::affine::Affine;
use crate::error::VolumeError;
use crate::volume::Volume;
use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use nifti::NiftiHeader;
use rayon::prelude::*;
use std::fs::File;
use std::io::{BufReader, Read, Write};
use std::path::Path;

/// Bytes of a NIfTI-1 header.
const HEADER: usize = 348;
/// Most bytes of voxels that are read.
pub const MAX_BYTES: u64 = 4 << 30;
/// Bytes that are read and converted at a time; a multiple of every type's size.
const BLOCK: usize = 1 << 18;

/// Where a NIfTI file's orientation came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Orientation {
    /// The matrix of the header.
    Sform,
    /// The quaternion of the header.
    Qform,
    /// Neither was stated: spacing alone, axes taken as RAS (NIfTI-1, "method 1").
    NotStated,
    /// Position and orientation of DICOM slices.
    Dicom,
}

/// Reads the first volume of a NIfTI-1 file, scaled by its slope and intercept.
///
/// # Errors
/// [`VolumeError`] naming the file: not NIfTI, NIfTI-2, a pair of files, other than 3 dimensions, a voxel type that is not a number,
/// a header that claims more than [`MAX_BYTES`], truncated voxels, skewed axes, voxels that are not finite.
pub fn read(path: &Path) -> Result<(Volume<f32>, Orientation), VolumeError> {
    let (mut input, packed) = open(path)?;
    let mut head = [0u8; HEADER];
    fill(&mut input, &mut head, path)?;
    let little = byte_order(&head, path)?;
    let header = NiftiHeader::from_reader(&head[..])
        .map_err(|e| VolumeError::bad(path, format!("not a NIfTI-1 file: {e}")))?;
    let size = sides(&header, path)?;
    let kind = Kind::of(header.datatype).ok_or_else(|| {
        VolumeError::bad(
            path,
            format!("voxels of NIfTI type {} are not supported", header.datatype),
        )
    })?;
    let count = size.iter().map(|&n| n as u128).product::<u128>();
    let bytes = count * kind.bytes() as u128;
    check_size(path, bytes)?;
    // Small voxels take more room in memory than in the file, and a packed file tells nothing by its own size.
    check_size(path, count * size_of::<f32>() as u128)?;
    skip_to_voxels(&mut input, &header, path)?;
    let (slope, shift) = scaling(&header, path)?;
    let stored = Encoding {
        kind,
        little,
        slope,
        shift,
    };
    let data = read_voxels(&mut input, bytes as u64, &stored, path)?;
    if packed {
        check_rest(&mut input, path)?;
    }
    let (affine, orientation) = orientation(&header);
    affine
        .check_orthogonal()
        .map_err(|e| VolumeError::bad(path, e.to_string()))?;
    let volume = Volume::new(size, affine, data)?;
    check_finite(&volume, path)?;
    Ok((volume, orientation))
}

/// Refuses a volume of more than [`MAX_BYTES`].
pub(crate) fn check_size(path: &Path, bytes: u128) -> Result<(), VolumeError> {
    if bytes <= u128::from(MAX_BYTES) {
        return Ok(());
    }
    Err(VolumeError::TooLarge {
        path: path.to_owned(),
        bytes,
        limit: MAX_BYTES,
    })
}

/// The file's bytes, unpacked, and whether they were packed.
fn open(path: &Path) -> Result<(Box<dyn Read>, bool), VolumeError> {
    let io = |e| VolumeError::io(path, e);
    let mut magic = [0u8; 2];
    let read = File::open(path).map_err(io)?.read(&mut magic).map_err(io)?;
    let file = BufReader::with_capacity(1 << 20, File::open(path).map_err(io)?);
    let packed = read == 2 && magic == [0x1f, 0x8b];
    let bytes: Box<dyn Read> = if packed {
        Box::new(MultiGzDecoder::new(file))
    } else {
        Box::new(file)
    };
    Ok((bytes, packed))
}

/// Reads what follows the voxels of a packed file: the checksum that tells whether they are what was packed stands at its end.
fn check_rest(input: &mut dyn Read, path: &Path) -> Result<(), VolumeError> {
    match std::io::copy(&mut input.take(MAX_BYTES), &mut std::io::sink()) {
        Ok(_) => Ok(()),
        Err(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => Err(VolumeError::bad(
            path,
            "ends before the checksum of what is packed in it",
        )),
        Err(e) => Err(VolumeError::bad(
            path,
            format!("is damaged, its voxels cannot be trusted: {e}"),
        )),
    }
}

fn fill(input: &mut dyn Read, buffer: &mut [u8], path: &Path) -> Result<(), VolumeError> {
    input.read_exact(buffer).map_err(|e| match e.kind() {
        std::io::ErrorKind::UnexpectedEof => VolumeError::bad(path, "ends inside the NIfTI header"),
        _ => VolumeError::bad(path, format!("cannot be unpacked: {e}")),
    })
}

/// True for little endian, told by the size field, which is 348.
fn byte_order(head: &[u8; HEADER], path: &Path) -> Result<bool, VolumeError> {
    let first = [head[0], head[1], head[2], head[3]];
    let dims = [head[40], head[41]];
    let (little, dims) = match (i32::from_le_bytes(first), i32::from_be_bytes(first)) {
        (348, _) => (true, u16::from_le_bytes(dims)),
        (_, 348) => (false, u16::from_be_bytes(dims)),
        (540, _) | (_, 540) => return Err(VolumeError::bad(path, "NIfTI-2 is not supported")),
        (other, _) => {
            return Err(VolumeError::bad(
                path,
                format!("not a NIfTI file: header size {other} in place of 348"),
            ));
        }
    };
    if !(1..=7).contains(&dims) {
        return Err(VolumeError::bad(
            path,
            format!("claims {dims} dimensions: its fields are in different byte orders"),
        ));
    }
    Ok(little)
}

fn sides(header: &NiftiHeader, path: &Path) -> Result<[usize; 3], VolumeError> {
    if &header.magic == b"ni1\0" {
        return Err(VolumeError::bad(
            path,
            "a NIfTI pair (.hdr and .img) is not supported: convert it to one .nii file",
        ));
    }
    if &header.magic != b"n+1\0" {
        return Err(VolumeError::bad(path, "not a NIfTI-1 file: wrong magic"));
    }
    let dims = usize::from(header.dim[0]);
    if !(3..=7).contains(&dims) {
        return Err(VolumeError::bad(
            path,
            format!("has {dims} dimensions, 3 are needed"),
        ));
    }
    if let Some(d) = (4..=dims).find(|&d| header.dim[d] > 1) {
        return Err(VolumeError::bad(
            path,
            format!(
                "holds {} volumes along dimension {d}: one is needed",
                header.dim[d]
            ),
        ));
    }
    let size = [1, 2, 3].map(|d| usize::from(header.dim[d]));
    if size.contains(&0) || size.iter().any(|&n| n > i16::MAX as usize) {
        return Err(VolumeError::bad(
            path,
            format!("has the size {}x{}x{}", size[0], size[1], size[2]),
        ));
    }
    Ok(size)
}

fn skip_to_voxels(
    input: &mut dyn Read,
    header: &NiftiHeader,
    path: &Path,
) -> Result<(), VolumeError> {
    let start = f64::from(header.vox_offset);
    if !(start >= HEADER as f64 && start < 1e8) {
        return Err(VolumeError::bad(
            path,
            format!("voxels start at byte {start}"),
        ));
    }
    let skip = start as u64 - HEADER as u64;
    let skipped = std::io::copy(&mut input.take(skip), &mut std::io::sink())
        .map_err(|e| VolumeError::io(path, e))?;
    if skipped < skip {
        return Err(VolumeError::bad(path, "ends before its voxels"));
    }
    Ok(())
}

/// Reads and converts block by block: memory grows with what is there, not with what the header claims, and every block is converted
/// while it is still in the cache.
fn read_voxels(
    input: &mut dyn Read,
    bytes: u64,
    stored: &Encoding,
    path: &Path,
) -> Result<Vec<f32>, VolumeError> {
    let mut block = vec![0u8; BLOCK];
    let mut data = Vec::with_capacity((bytes.min(64 << 20) as usize) / stored.kind.bytes());
    let mut got = 0u64;
    while got < bytes {
        let wanted = (bytes - got).min(BLOCK as u64) as usize;
        let read = fill_block(input, &mut block[..wanted])
            .map_err(|e| VolumeError::bad(path, format!("cannot be unpacked: {e}")))?;
        stored.append(&block[..read], &mut data);
        got += read as u64;
        if read < wanted {
            return Err(VolumeError::Truncated {
                path: path.to_owned(),
                expected: bytes,
                got,
            });
        }
    }
    Ok(data)
}

/// Fills a block; fewer bytes come only where the file, or what is packed in it, ends.
fn fill_block(input: &mut dyn Read, block: &mut [u8]) -> std::io::Result<usize> {
    let mut filled = 0;
    while filled < block.len() {
        match input.read(&mut block[filled..]) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => break,
            Err(e) => return Err(e),
        }
    }
    Ok(filled)
}

/// Slope 0 means that values are not scaled (NIfTI-1).
fn scaling(header: &NiftiHeader, path: &Path) -> Result<(f64, f64), VolumeError> {
    let (slope, shift) = (f64::from(header.scl_slope), f64::from(header.scl_inter));
    if slope == 0.0 || slope.is_nan() {
        return Ok((1.0, 0.0));
    }
    if !slope.is_finite() || !shift.is_finite() {
        return Err(VolumeError::bad(
            path,
            format!("scales its values by {slope} and {shift}"),
        ));
    }
    Ok((slope, shift))
}

fn check_finite(volume: &Volume<f32>, path: &Path) -> Result<(), VolumeError> {
    // All at once, without a way out: that is what the compiler makes vector instructions of.
    let finite = |part: &[f32]| part.iter().fold(true, |all, v| all & v.is_finite());
    if volume.data.par_chunks(1 << 16).all(finite) {
        return Ok(());
    }
    let Some(first) = volume.data.iter().position(|v| !v.is_finite()) else {
        return Ok(());
    };
    Err(VolumeError::NotFinite {
        path: path.to_owned(),
        count: volume.data.iter().filter(|v| !v.is_finite()).count(),
        index: volume.index_of(first),
    })
}

/// Numeric voxel types.
#[derive(Debug, Clone, Copy)]
enum Kind {
    U8,
    I8,
    I16,
    U16,
    I32,
    U32,
    F32,
    F64,
}

impl Kind {
    /// By the NIfTI-1 data type code.
    fn of(code: i16) -> Option<Kind> {
        Some(match code {
            2 => Kind::U8,
            256 => Kind::I8,
            4 => Kind::I16,
            512 => Kind::U16,
            8 => Kind::I32,
            768 => Kind::U32,
            16 => Kind::F32,
            64 => Kind::F64,
            _ => return None,
        })
    }

    fn bytes(self) -> usize {
        match self {
            Kind::U8 | Kind::I8 => 1,
            Kind::I16 | Kind::U16 => 2,
            Kind::I32 | Kind::U32 | Kind::F32 => 4,
            Kind::F64 => 8,
        }
    }
}

/// How values are stored.
struct Encoding {
    kind: Kind,
    little: bool,
    slope: f64,
    shift: f64,
}

impl Encoding {
    /// Appends the values of whole voxels.
    fn append(&self, raw: &[u8], out: &mut Vec<f32>) {
        let (slope, shift) = (self.slope, self.shift);
        // Most files store Hounsfield units as they are: those need no product.
        let plain = slope == 1.0 && shift == 0.0;
        macro_rules! decode {
            ($kind:ty) => {{
                let words = raw.chunks_exact(size_of::<$kind>()).map(|b| {
                    let mut word = [0u8; size_of::<$kind>()];
                    word.copy_from_slice(b);
                    word
                });
                match (self.little, plain) {
                    (true, true) => out.extend(words.map(|w| <$kind>::from_le_bytes(w) as f32)),
                    (true, false) => out.extend(
                        words.map(|w| (<$kind>::from_le_bytes(w) as f64 * slope + shift) as f32),
                    ),
                    (false, _) => out.extend(
                        words.map(|w| (<$kind>::from_be_bytes(w) as f64 * slope + shift) as f32),
                    ),
                }
            }};
        }
        match self.kind {
            Kind::U8 => decode!(u8),
            Kind::I8 => decode!(i8),
            Kind::I16 => decode!(i16),
            Kind::U16 => decode!(u16),
            Kind::I32 => decode!(i32),
            Kind::U32 => decode!(u32),
            Kind::F32 => decode!(f32),
            Kind::F64 => decode!(f64),
        }
    }
}

fn orientation(h: &NiftiHeader) -> (Affine, Orientation) {
    if h.sform_code > 0 {
        let rows = [h.srow_x, h.srow_y, h.srow_z].map(|r| r.map(f64::from));
        return (from_ras(rows), Orientation::Sform);
    }
    let spacing = [1, 2, 3].map(|k| f64::from(h.pixdim[k]));
    if h.qform_code > 0 {
        return (from_ras(quaternion_rows(h, spacing)), Orientation::Qform);
    }
    let rows = [
        [spacing[0], 0.0, 0.0, 0.0],
        [0.0, spacing[1], 0.0, 0.0],
        [0.0, 0.0, spacing[2], 0.0],
    ];
    (from_ras(rows), Orientation::NotStated)
}

/// NIfTI-1, "method 2".
fn quaternion_rows(h: &NiftiHeader, s: Vec3) -> [[f64; 4]; 3] {
    let (b, c, d) = (
        f64::from(h.quatern_b),
        f64::from(h.quatern_c),
        f64::from(h.quatern_d),
    );
    let a = (1.0 - (b * b + c * c + d * d)).max(0.0).sqrt();
    let z = if h.pixdim[0] < 0.0 { -s[2] } else { s[2] };
    let (x0, y0, z0) = (
        f64::from(h.quatern_x),
        f64::from(h.quatern_y),
        f64::from(h.quatern_z),
    );
    [
        [
            (a * a + b * b - c * c - d * d) * s[0],
            2.0 * (b * c - a * d) * s[1],
            2.0 * (b * d + a * c) * z,
            x0,
        ],
        [
            2.0 * (b * c + a * d) * s[0],
            (a * a + c * c - b * b - d * d) * s[1],
            2.0 * (c * d - a * b) * z,
            y0,
        ],
        [
            2.0 * (b * d - a * c) * s[0],
            2.0 * (c * d + a * b) * s[1],
            (a * a + d * d - c * c - b * b) * z,
            z0,
        ],
    ]
}

/// RAS rows of a NIfTI header to LPS axes: x and y change sign.
fn from_ras(rows: [[f64; 4]; 3]) -> Affine {
    let sign = [-1.0, -1.0, 1.0];
    let column = |c: usize| -> Vec3 { std::array::from_fn(|r| sign[r] * rows[r][c]) };
    Affine {
        axes: [column(0), column(1), column(2)],
        origin: column(3),
    }
}

/// Value types that can be written.
pub trait Stored: Copy {
    /// NIfTI-1 data type code.
    const CODE: i16;
    /// Bits of a value.
    const BITS: i16;
    /// Little-endian bytes.
    fn put(self, out: &mut Vec<u8>);
}

macro_rules! stored {
    ($kind:ty, $code:literal, $bits:literal) => {
        impl Stored for $kind {
            const CODE: i16 = $code;
            const BITS: i16 = $bits;
            fn put(self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_le_bytes());
            }
        }
    };
}
stored!(u8, 2, 8);
stored!(i16, 4, 16);
stored!(f32, 16, 32);

/// Writes a NIfTI-1 file, little endian, with the orientation as sform; packed when the name ends in `.gz`.
///
/// # Errors
/// [`VolumeError::Io`]; [`VolumeError::Bad`] for a side over 32767.
pub fn write<T: Stored>(volume: &Volume<T>, path: &Path) -> Result<(), VolumeError> {
    let io = |e| VolumeError::io(path, e);
    let head = header_bytes(volume, path)?;
    let mut body = Vec::with_capacity(volume.data.len() * size_of::<T>());
    volume.data.iter().for_each(|v| v.put(&mut body));
    let mut file = File::create(path).map_err(io)?;
    if path.extension().is_some_and(|e| e == "gz") {
        let mut packed = GzEncoder::new(file, Compression::fast());
        packed
            .write_all(&head)
            .and_then(|()| packed.write_all(&body))
            .map_err(io)?;
        packed.finish().map_err(io)?;
    } else {
        file.write_all(&head)
            .and_then(|()| file.write_all(&body))
            .map_err(io)?;
    }
    Ok(())
}

fn header_bytes<T: Stored>(volume: &Volume<T>, path: &Path) -> Result<Vec<u8>, VolumeError> {
    let mut dim = [3i16, 0, 0, 0, 1, 1, 1, 1];
    for k in 0..3 {
        dim[k + 1] = i16::try_from(volume.size[k]).map_err(|_| {
            VolumeError::bad(
                path,
                format!("a side of {} voxels does not fit NIfTI-1", volume.size[k]),
            )
        })?;
    }
    let mut h = vec![0u8; HEADER + 4];
    let mut put = |at: usize, bytes: &[u8]| h[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, &348i32.to_le_bytes());
    dim.iter()
        .enumerate()
        .for_each(|(k, v)| put(40 + 2 * k, &v.to_le_bytes()));
    put(70, &T::CODE.to_le_bytes());
    put(72, &T::BITS.to_le_bytes());
    let s = volume.affine.spacing();
    [1.0, s[0], s[1], s[2], 1.0, 1.0, 1.0, 1.0]
        .iter()
        .enumerate()
        .for_each(|(k, v)| put(76 + 4 * k, &(*v as f32).to_le_bytes()));
    put(108, &352f32.to_le_bytes());
    put(112, &1f32.to_le_bytes());
    put(123, &[2]); // millimetres
    put(254, &1i16.to_le_bytes()); // sform: scanner coordinates
    let sign = [-1.0, -1.0, 1.0];
    for (r, sign) in sign.into_iter().enumerate() {
        let a = &volume.affine;
        let row = [a.axes[0][r], a.axes[1][r], a.axes[2][r], a.origin[r]];
        row.iter()
            .enumerate()
            .for_each(|(c, v)| put(280 + 16 * r + 4 * c, &((sign * v) as f32).to_le_bytes()));
    }
    put(344, b"n+1\0");
    Ok(h)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ramp() -> Volume<i16> {
        let affine = Affine {
            axes: [[0.0, 0.8, 0.0], [-0.5, 0.0, 0.0], [0.0, 0.0, 2.0]],
            origin: [5.0, -7.0, 11.0],
        };
        Volume::new([4, 3, 2], affine, (0..24).map(|v| v * 10 - 100).collect()).unwrap()
    }

    fn saved(name: &str) -> (tempfile::TempDir, std::path::PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(name);
        write(&ramp(), &path).unwrap();
        (dir, path)
    }

    #[test]
    fn what_was_written_is_read_back() {
        for name in ["a.nii", "a.nii.gz"] {
            let (_dir, path) = saved(name);
            let (v, orientation) = read(&path).unwrap();
            assert_eq!(orientation, Orientation::Sform);
            assert!(v.same_grid(&ramp()));
            assert_eq!(
                v.data,
                ramp()
                    .data
                    .iter()
                    .map(|&v| f32::from(v))
                    .collect::<Vec<_>>()
            );
        }
    }

    #[test]
    fn big_endian_is_read_and_a_lie_about_it_refused() {
        let (_dir, path) = saved("a.nii");
        let mut bytes = std::fs::read(&path).unwrap();
        // Every field by its width (NIfTI-1): swap what is set above.
        let mut swap = |at: usize, n: usize, w: usize| {
            (0..n).for_each(|k| bytes[at + k * w..at + (k + 1) * w].reverse());
        };
        swap(0, 1, 4);
        swap(40, 8, 2);
        swap(70, 2, 2);
        swap(76, 8, 4);
        swap(108, 3, 4);
        swap(252, 2, 2);
        swap(280, 12, 4);
        swap(352, 24, 2);
        std::fs::write(&path, &bytes).unwrap();
        let (v, _) = read(&path).unwrap();
        assert_eq!(v.data[1], -90.0);
        assert!(v.same_grid(&ramp()));
        // Only the size field says big endian.
        let (_dir, path) = saved("b.nii");
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[..4].reverse();
        std::fs::write(&path, &bytes).unwrap();
        let error = read(&path).unwrap_err().to_string();
        assert!(error.contains("different byte orders"), "{error}");
    }

    #[test]
    fn broken_files_are_refused_with_a_reason() {
        let (_dir, path) = saved("a.nii");
        let good = std::fs::read(&path).unwrap();
        let refuse = |bytes: &[u8], reason: &str| {
            std::fs::write(&path, bytes).unwrap();
            let error = read(&path).unwrap_err().to_string();
            assert!(error.contains("a.nii") && error.contains(reason), "{error}");
        };
        refuse(&good[..good.len() - 5], "ends after 43 of 48 bytes");
        refuse(&good[..200], "ends inside the NIfTI header");
        refuse(b"hello", "ends inside the NIfTI header");
        refuse(&[7u8; 400], "not a NIfTI file");
        let mut huge = good.clone();
        (0..3).for_each(|k| huge[42 + 2 * k..44 + 2 * k].copy_from_slice(&30000i16.to_le_bytes()));
        refuse(&huge, "the header claims 54000000000000 bytes");
        let mut claim = good.clone();
        (0..3).for_each(|k| claim[42 + 2 * k..44 + 2 * k].copy_from_slice(&1000i16.to_le_bytes()));
        refuse(&claim, "ends after 48 of 2000000000 bytes");
        let mut colour = good.clone();
        colour[70..72].copy_from_slice(&128i16.to_le_bytes());
        refuse(&colour, "NIfTI type 128");
        let mut sheared = good.clone();
        sheared[288..292].copy_from_slice(&1f32.to_le_bytes());
        refuse(&sheared, "tilted gantry");
        let mut flat = good;
        (280..328).for_each(|k| flat[k] = 0);
        refuse(&flat, "spacing 0 x 0 x 0");
    }

    #[test]
    fn a_packed_file_that_was_cut_is_refused() {
        let (_dir, path) = saved("a.nii.gz");
        let good = std::fs::read(&path).unwrap();
        let refuse = |bytes: &[u8], reason: &str| {
            std::fs::write(&path, bytes).unwrap();
            let error = read(&path).unwrap_err().to_string();
            assert!(
                error.contains("a.nii.gz") && error.contains(reason),
                "{error}"
            );
        };
        refuse(&good[..12], "ends inside the NIfTI header");
        refuse(&good[..good.len() - 20], "of 48 bytes of voxels");
        let mut spoiled = good;
        spoiled[10..40].fill(0xff);
        refuse(&spoiled, "cannot be unpacked");
    }

    #[test]
    fn a_packed_file_with_another_checksum_is_refused() {
        let (_dir, path) = saved("a.nii.gz");
        let good = std::fs::read(&path).unwrap();
        let refuse = |bytes: &[u8], reason: &str| {
            std::fs::write(&path, bytes).unwrap();
            let error = read(&path).unwrap_err().to_string();
            assert!(
                error.contains("a.nii.gz") && error.contains(reason),
                "{error}"
            );
        };
        // All voxels are there, and may be wrong.
        let mut other = good.clone();
        let sum = other.len() - 8;
        other[sum] ^= 1;
        refuse(&other, "is damaged");
        refuse(&good[..good.len() - 3], "ends before the checksum");
        // Several packed parts one after the other, as some programs write, are one file.
        let mut raw = Vec::new();
        MultiGzDecoder::new(&good[..])
            .read_to_end(&mut raw)
            .unwrap();
        let packed = |part: &[u8]| {
            let mut gz = GzEncoder::new(Vec::new(), Compression::fast());
            gz.write_all(part).unwrap();
            gz.finish().unwrap()
        };
        let parts = [packed(&raw[..361]), packed(&raw[361..])].concat();
        std::fs::write(&path, parts).unwrap();
        assert_eq!(read(&path).unwrap().0.data[23], 130.0);
    }

    /// Blocks end inside of the voxels, and every type is scaled.
    #[test]
    fn a_volume_of_many_blocks_is_read_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("b.nii.gz");
        let affine = Affine::axis_aligned([1.0; 3], [0.0; 3]);
        let size = [67, 61, 41];
        let values = 0..size.iter().product::<usize>() as i32;
        let v = Volume::new(
            size,
            affine,
            values.map(|n| (n % 4001 - 2000) as i16).collect(),
        )
        .unwrap();
        assert!(v.data.len() * 2 > BLOCK && v.data.len() * 2 % BLOCK != 0);
        write(&v, &path).unwrap();
        let back = read(&path).unwrap().0;
        assert!(
            back.data
                .iter()
                .zip(&v.data)
                .all(|(a, b)| *a == f32::from(*b))
        );
        let plain = dir.path().join("b.nii");
        write(&v, &plain).unwrap();
        let mut bytes = std::fs::read(&plain).unwrap();
        bytes[112..116].copy_from_slice(&0.5f32.to_le_bytes());
        bytes[116..120].copy_from_slice(&(-3f32).to_le_bytes());
        std::fs::write(&plain, bytes).unwrap();
        let scaled = read(&plain).unwrap().0;
        let want = |b: &i16| 0.5 * f32::from(*b) - 3.0;
        assert!(scaled.data.iter().zip(&v.data).all(|(a, b)| *a == want(b)));
    }

    #[test]
    fn voxels_that_are_no_numbers_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("n.nii");
        let mut v = ramp().map(|&v| f32::from(v));
        v.data[17] = f32::NAN;
        write(&v, &path).unwrap();
        let error = read(&path).unwrap_err().to_string();
        assert!(
            error.contains("1 voxels are not finite, the first at index (1, 1, 1)"),
            "{error}"
        );
    }

    #[test]
    fn a_quaternion_turns_like_its_matrix() {
        let (_dir, path) = saved("q.nii");
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[254..256].copy_from_slice(&0i16.to_le_bytes());
        bytes[252..254].copy_from_slice(&1i16.to_le_bytes());
        // A quarter turn about z in RAS: x index runs along +y, y index along -x.
        let q = [0.0f32, 0.0, std::f32::consts::FRAC_1_SQRT_2, 1.0, 2.0, 3.0];
        q.iter()
            .enumerate()
            .for_each(|(k, v)| bytes[256 + 4 * k..260 + 4 * k].copy_from_slice(&v.to_le_bytes()));
        std::fs::write(&path, &bytes).unwrap();
        let (v, orientation) = read(&path).unwrap();
        assert_eq!(orientation, Orientation::Qform);
        let near = |a: Vec3, b: Vec3| (0..3).all(|k| (a[k] - b[k]).abs() < 1e-6);
        assert!(near(v.affine.axes[0], [0.0, -0.8, 0.0]), "{:?}", v.affine);
        assert!(near(v.affine.axes[1], [0.5, 0.0, 0.0]), "{:?}", v.affine);
        assert!(near(v.affine.origin, [-1.0, -2.0, 3.0]));
    }
}
