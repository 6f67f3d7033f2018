//! The one front door: any supported file to display values.

use crate::error::{DicomError, image_kind};
use crate::image::{DicomImage, values_to_display};
use crate::meta::DicomMeta;
use crate::object;
use hilum_image::decode::{self, Raster, RasterKind};
use hilum_image::{Gray, ImageError, Limits, Recipe, guard};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// What kind of file it was, by its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileKind {
    /// DICOM.
    Dicom,
    /// PNG.
    Png,
    /// JPEG.
    Jpeg,
    /// TIFF.
    Tiff,
}

/// A file as the rest of Hilum sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct LoadedImage {
    /// Display values 0 to 255 in whole steps, polarity corrected so that bone is bright. Size of the stored image.
    pub pixels: Gray,
    /// Stored width in pixels.
    pub width: usize,
    /// Stored height in pixels.
    pub height: usize,
    /// Bits stored per sample.
    pub bits: u32,
    /// True colour: no radiograph. The pixels are luma.
    pub colour: bool,
    /// Kind of file.
    pub kind: FileKind,
    /// The recipe that was applied.
    pub recipe: Recipe,
    /// What was done to the pixels, in order, in words.
    pub steps: Vec<String>,
    /// SHA-256 of the file's bytes in hex.
    pub sha256: String,
    /// Frames in the file; `pixels` is one of them.
    pub frames: usize,
    /// Tags of a DICOM file.
    pub meta: Option<DicomMeta>,
}

/// Why a file gives no image. The message names the file and the reason.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file cannot be read.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file has no bytes.
    #[error("{}: the file is empty", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// The file is over the limit and was not read.
    #[error("{}: {bytes} bytes are over the limit of {max_bytes}", path.display())]
    FileTooLarge {
        /// The file.
        path: PathBuf,
        /// Its size.
        bytes: u64,
        /// The limit.
        max_bytes: u64,
    },
    /// Neither DICOM nor PNG, JPEG or TIFF.
    #[error("{}: not a DICOM, PNG, JPEG or TIFF file", path.display())]
    NotAnImage {
        /// The file.
        path: PathBuf,
    },
    /// A DICOM file that gives no image.
    #[error("{}: {source}", path.display())]
    Dicom {
        /// The file.
        path: PathBuf,
        /// Why.
        source: DicomError,
    },
    /// A PNG, JPEG or TIFF that gives no image.
    #[error("{}: {source}", path.display())]
    Raster {
        /// The file.
        path: PathBuf,
        /// Why.
        source: ImageError,
    },
}

impl LoadError {
    /// Kind in snake case: `io`, `empty`, `not_an_image`, `truncated`, `no_pixel_data`, `too_large`,
    /// `unsupported_transfer_syntax`, `unsupported_photometric`, `unsupported_pixel_format`, `missing_attribute`,
    /// `no_such_frame`, `corrupt`.
    pub fn kind(&self) -> &'static str {
        match self {
            LoadError::Io { .. } => "io",
            LoadError::Empty { .. } => "empty",
            LoadError::FileTooLarge { .. } => "too_large",
            LoadError::NotAnImage { .. } => "not_an_image",
            LoadError::Dicom { source, .. } => source.kind(),
            LoadError::Raster { source, .. } => image_kind(source),
        }
    }
}

/// Loads the first frame of a DICOM, PNG, JPEG or TIFF file, told apart by their bytes, with the default [`Limits`].
///
/// ```no_run
/// use hilum_dicom::{Recipe, load};
/// let image = load("chest.dcm".as_ref(), Recipe::Voi)?;
/// println!("{}x{} {:?}: {}", image.width, image.height, image.kind, image.steps.join("; "));
/// # Ok::<(), hilum_dicom::LoadError>(())
/// ```
///
/// # Errors
/// See [`LoadError::kind`].
pub fn load(path: &Path, recipe: Recipe) -> Result<LoadedImage, LoadError> {
    load_frame(path, recipe, 0, &Limits::default())
}

/// Loads one frame of a file.
///
/// # Errors
/// See [`LoadError::kind`].
pub fn load_frame(
    path: &Path,
    recipe: Recipe,
    frame: usize,
    limits: &Limits,
) -> Result<LoadedImage, LoadError> {
    let bytes = read_limited(path, limits)?;
    load_bytes(&bytes, path, recipe, frame, limits)
}

/// Loads one frame from bytes; `path` is only used in messages.
///
/// # Errors
/// See [`LoadError::kind`].
pub fn load_bytes(
    bytes: &[u8],
    path: &Path,
    recipe: Recipe,
    frame: usize,
    limits: &Limits,
) -> Result<LoadedImage, LoadError> {
    let path = || path.to_owned();
    if bytes.is_empty() {
        return Err(LoadError::Empty { path: path() });
    }
    let sha256 = hex(&Sha256::digest(bytes));
    if is_raster(bytes) {
        let raster = decode::decode(bytes, limits).map_err(|source| LoadError::Raster {
            path: path(),
            source,
        })?;
        if frame > 0 {
            return Err(LoadError::Dicom {
                path: path(),
                source: DicomError::NoSuchFrame { frame, frames: 1 },
            });
        }
        return Ok(from_raster(raster, recipe, sha256));
    }
    if !object::looks_like_dicom(bytes) {
        return Err(LoadError::NotAnImage { path: path() });
    }
    guard::catch(|| from_dicom(bytes, recipe, frame, limits, sha256))
        .unwrap_or_else(|reason| Err(DicomError::Parse { reason }))
        .map_err(|source| LoadError::Dicom {
            path: path(),
            source,
        })
}

/// True for a PNG, JPEG or TIFF file. A DICOM file may carry another format's header in its preamble (PS3.10 section 7.1),
/// so that other programs can open it, and stays a DICOM file.
pub fn is_raster(bytes: &[u8]) -> bool {
    !object::has_prefix(bytes) && RasterKind::sniff(bytes).is_some()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// Reads a file whose size is checked first.
pub(crate) fn read_limited(path: &Path, limits: &Limits) -> Result<Vec<u8>, LoadError> {
    let io = |source| LoadError::Io {
        path: path.to_owned(),
        source,
    };
    let file = File::open(path).map_err(io)?;
    let size = file.metadata().map_err(io)?.len();
    if size > limits.max_file_bytes {
        return Err(LoadError::FileTooLarge {
            path: path.to_owned(),
            bytes: size,
            max_bytes: limits.max_file_bytes,
        });
    }
    let mut bytes = Vec::with_capacity(size as usize);
    // A pipe or a growing file may hold more than its metadata says.
    file.take(limits.max_file_bytes)
        .read_to_end(&mut bytes)
        .map_err(io)?;
    Ok(bytes)
}

fn from_dicom(
    bytes: &[u8],
    recipe: Recipe,
    frame: usize,
    limits: &Limits,
    sha256: String,
) -> Result<LoadedImage, DicomError> {
    let image = DicomImage::from_bytes(bytes, limits)?;
    let shown = image.display(frame, recipe)?;
    Ok(LoadedImage {
        width: shown.pixels.width,
        height: shown.pixels.height,
        pixels: shown.pixels,
        bits: image.attributes.bits_stored,
        colour: shown.colour,
        kind: FileKind::Dicom,
        recipe,
        steps: shown.steps,
        sha256,
        frames: image.attributes.frames,
        meta: Some(image.meta),
    })
}

fn from_raster(raster: Raster, recipe: Recipe, sha256: String) -> LoadedImage {
    let kind = match raster.kind {
        RasterKind::Png => FileKind::Png,
        RasterKind::Jpeg => FileKind::Jpeg,
        RasterKind::Tiff => FileKind::Tiff,
    };
    let mut steps = vec![format!(
        "{} {}-bit {}x{}",
        raster.kind.name(),
        raster.bits,
        raster.values.width,
        raster.values.height
    )];
    if raster.transparent {
        steps.push("alpha laid over black".into());
    }
    let top = f64::from((1u32 << raster.bits) - 1);
    let values = raster.values.map(|&v| f32::from(v));
    let pixels = values_to_display(&values, top, recipe, &mut steps);
    LoadedImage {
        width: pixels.width,
        height: pixels.height,
        pixels,
        bits: u32::from(raster.bits),
        colour: raster.colour,
        kind,
        recipe,
        steps,
        sha256,
        frames: 1,
        meta: None,
    }
}
