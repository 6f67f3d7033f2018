//! The objects of one reading as files beside `reading.json`.

use crate::context::{Context, Readers, Signature};
use crate::error::{ObjectError, Result};
use crate::fhir::{self, Release};
use crate::seg::{self, Structures};
use crate::source::{Moment, Sources};
use crate::{gsps, pdf, report, sc};
use dicom_dictionary_std::tags;
use hilum_core::{ModelRef, Reading};
use hilum_dicom::Limits;
use hilum_image::draw::Rgb;
use hilum_image::{ImageError, Mask, Plane, decode};
use std::io::Write;
use std::path::Path;

/// What can be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Structured report, `sr.dcm`.
    Sr,
    /// Segmentation, `seg.dcm`.
    Seg,
    /// Presentation state, `gsps.dcm`.
    Gsps,
    /// Secondary capture of the overlay, `sc.dcm`.
    Sc,
    /// Encapsulated PDF, `pdf.dcm`.
    Pdf,
    /// FHIR bundle, `fhir.json`.
    Fhir,
}

impl Kind {
    /// All of them.
    pub const ALL: [Kind; 6] = [
        Kind::Sr,
        Kind::Seg,
        Kind::Gsps,
        Kind::Sc,
        Kind::Pdf,
        Kind::Fhir,
    ];

    /// Name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Sr => "sr",
            Kind::Seg => "seg",
            Kind::Gsps => "gsps",
            Kind::Sc => "sc",
            Kind::Pdf => "pdf",
            Kind::Fhir => "fhir",
        }
    }
}

impl std::str::FromStr for Kind {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let found = Kind::ALL.into_iter().find(|k| k.name() == text);
        found.ok_or_else(|| format!("{text:?} is none of sr, seg, gsps, sc, pdf, fhir"))
    }
}

/// What to write and how.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Which objects.
    pub kinds: Vec<Kind>,
    /// The time that the objects carry, as clocks of the study's zone show it; when null that of the signature, else of the study.
    pub at: Option<Moment>,
    /// Release of FHIR.
    pub release: Release,
    /// The model that outlined lungs and heart.
    pub segmenter: Option<ModelRef>,
    /// Who signed the reading; objects of a draft without one.
    pub signature: Option<Signature>,
    /// Who answered and measured besides the models.
    pub readers: Readers,
    /// Limits for reading the sources again.
    pub limits: Limits,
}

/// What was written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Written {
    /// Names of the files.
    pub files: Vec<String>,
    /// What could not be written, and why; and what a reader of the files should know.
    pub notes: Vec<String>,
}

/// Writes the objects of a reading whose files were written below `out` into `out/folder`. Files are renamed into
/// place when all of them stand; those of an earlier run are removed.
///
/// # Errors
/// Sources that changed, a reading that contradicts itself, a disk that is full.
pub fn write(out: &Path, folder: &Path, reading: &Reading, options: &Options) -> Result<Written> {
    let mut written = Written::default();
    if options.kinds.is_empty() {
        sweep(folder, &[])?;
        return Ok(written);
    }
    let files = objects(out, folder, reading, options, &mut written.notes)?;
    let mut staged = Vec::new();
    for (name, bytes) in files {
        let path = folder.join(&name);
        let file = stage(folder, &bytes).map_err(|source| ObjectError::Io {
            path: path.clone(),
            source,
        })?;
        staged.push((path, file));
        written.files.push(name);
    }
    sweep(folder, &written.files)?;
    for (path, file) in staged {
        file.persist(&path).map_err(|e| ObjectError::Io {
            path,
            source: e.error,
        })?;
    }
    Ok(written)
}

/// Removes objects of an earlier run that are not among `kept`.
///
/// # Errors
/// A folder that cannot be listed or a file that cannot be removed.
pub fn sweep(folder: &Path, kept: &[String]) -> Result<()> {
    let io = |path: &Path| {
        let path = path.to_owned();
        move |source| ObjectError::Io { path, source }
    };
    for entry in std::fs::read_dir(folder).map_err(io(folder))? {
        let entry = entry.map_err(io(folder))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if is_ours(&name) && !kept.contains(&name) {
            std::fs::remove_file(entry.path()).map_err(io(&entry.path()))?;
        }
    }
    Ok(())
}

fn is_ours(name: &str) -> bool {
    if name == "fhir.json" {
        return true;
    }
    let Some(stem) = name.strip_suffix(".dcm") else {
        return false;
    };
    let (kind, number) = stem.split_once('-').unwrap_or((stem, "0"));
    let numbered = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
    numbered && matches!(kind, "sr" | "seg" | "gsps" | "sc" | "pdf" | "image")
}

fn stage(folder: &Path, bytes: &[u8]) -> std::io::Result<tempfile::NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".hilum-").suffix(".part");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // Temporary files are private by default; results follow the user's umask as any file does.
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    let mut file = builder.tempfile_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    Ok(file)
}

/// Names and bytes.
fn objects(
    out: &Path,
    folder: &Path,
    reading: &Reading,
    options: &Options,
    notes: &mut Vec<String>,
) -> Result<Vec<(String, Vec<u8>)>> {
    let sources = Sources::load(reading, &options.limits)?;
    if !sources.left_out.is_empty() {
        let list = sources.left_out.join(", ");
        notes.push(format!(
            "values of the source that are not valid were left out: {list}"
        ));
    }
    let signed = options.signature.as_ref().map(|s| &s.at);
    let at = match (&options.at, signed, &sources.moment) {
        (Some(at), _, _) => at.clone(),
        (None, Some(signed), _) => sources.local(signed),
        (None, None, Some(at)) => at.clone(),
        (None, None, None) => {
            notes.push(
                "the source has no date: the objects carry the time of now (--at sets another)"
                    .to_owned(),
            );
            sources.local(&Moment::now())
        }
    };
    let mut context = Context::new(reading, &sources, at)?;
    context.segmenter = options.segmenter.clone();
    context.readers = options.readers.clone();
    if let Some(signature) = &options.signature {
        context = context.signed(signature.clone());
    }
    let mut files = Vec::new();
    let wants = |kind| options.kinds.contains(&kind);
    let overlay = match wants(Kind::Sc) || wants(Kind::Pdf) {
        true => overlay(folder)?,
        false => None,
    };
    if wants(Kind::Sr) {
        files.push(("sr.dcm".to_owned(), report::encode(&context)?));
    }
    if wants(Kind::Seg) {
        segmentations(out, &context, &options.limits, &mut files, notes)?;
    }
    if wants(Kind::Gsps) {
        for image in 0..reading.images.len() {
            match gsps::encode(&context, image)? {
                Some(bytes) => files.push((numbered("gsps", image), bytes)),
                None => notes.push(format!("image {image} is in colour: no presentation state")),
            }
        }
    }
    if wants(Kind::Sc) {
        match &overlay {
            Some(picture) => {
                let bytes = sc::encode_overlay(&context, shown(reading), picture)?;
                files.push(("sc.dcm".to_owned(), bytes));
            }
            None => notes.push("there is no overlay: no secondary capture".to_owned()),
        }
    }
    if wants(Kind::Pdf) {
        let patient = context.sources.value(tags::PATIENT_NAME);
        let signature = options.signature.as_ref();
        let page = pdf::render(reading, patient.as_deref(), overlay.as_ref(), signature);
        files.push(("pdf.dcm".to_owned(), pdf::encapsulate(&context, &page)?));
    }
    if wants(Kind::Fhir) {
        let bundle = fhir::bundle(&context, options.release)?;
        let mut bytes = serde_json::to_vec_pretty(&bundle)?;
        bytes.push(b'\n');
        files.push(("fhir.json".to_owned(), bytes));
    }
    pictures(&context, &mut files)?;
    Ok(files)
}

/// `seg.dcm` for the first image, `seg-1.dcm` for the second, ...
fn numbered(kind: &str, image: usize) -> String {
    match image {
        0 => format!("{kind}.dcm"),
        n => format!("{kind}-{n}.dcm"),
    }
}

/// The image that the overlay shows: the first one with lungs, else the first.
fn shown(reading: &Reading) -> usize {
    let lungs = |m: &hilum_core::Masks| m.lungs.is_some();
    let found = reading
        .images
        .iter()
        .position(|i| i.masks.as_ref().is_some_and(lungs));
    found.unwrap_or(0)
}

fn segmentations(
    out: &Path,
    context: &Context<'_>,
    limits: &Limits,
    files: &mut Vec<(String, Vec<u8>)>,
    notes: &mut Vec<String>,
) -> Result<()> {
    let before = files.len();
    let load = |path: &Option<String>| {
        path.as_ref()
            .map(|p| mask(&out.join(p), limits))
            .transpose()
    };
    for (image, record) in context.reading.images.iter().enumerate() {
        let Some(masks) = &record.masks else {
            continue;
        };
        let structures = Structures {
            image,
            lungs: load(&masks.lungs)?,
            heart: load(&masks.heart)?,
        };
        if let Some(bytes) = seg::encode(context, &structures)? {
            // The first one has the plain name, also when it is not of the first image.
            let number = if files.len() == before { 0 } else { image };
            files.push((numbered("seg", number), bytes));
        }
    }
    if files.len() == before {
        notes.push("nothing was outlined: no segmentation".to_owned());
    }
    Ok(())
}

/// Secondary captures that stand for pictures, so that what the objects refer to exists.
fn pictures(context: &Context<'_>, files: &mut Vec<(String, Vec<u8>)>) -> Result<()> {
    let dicom = files.iter().any(|(name, _)| name.ends_with(".dcm"));
    for image in (0..context.sources.images.len()).filter(|_| dicom) {
        if let Some(bytes) = sc::encode_picture(context, image)? {
            files.push((format!("image-{image}.dcm"), bytes));
        }
    }
    Ok(())
}

fn raster(path: &Path, limits: &Limits) -> Result<decode::Raster> {
    let bytes = std::fs::read(path).map_err(|source| ObjectError::Io {
        path: path.to_owned(),
        source,
    })?;
    decode::decode(&bytes, limits).map_err(|source| ObjectError::Picture {
        what: path.display().to_string(),
        source,
    })
}

fn mask(path: &Path, limits: &Limits) -> Result<Mask> {
    let raster = raster(path, limits)?;
    Ok(raster.values.map(|&v| if v == 0 { 0 } else { 255 }))
}

fn overlay(folder: &Path) -> Result<Option<Plane<Rgb>>> {
    let path = folder.join("overlay.png");
    if !path.exists() {
        return Ok(None);
    }
    let bytes = std::fs::read(&path).map_err(|source| ObjectError::Io {
        path: path.clone(),
        source,
    })?;
    let picture = |reason: String| ObjectError::Picture {
        what: path.display().to_string(),
        source: ImageError::Corrupt {
            format: "PNG",
            reason,
        },
    };
    let decoded = image::load_from_memory_with_format(&bytes, image::ImageFormat::Png)
        .map_err(|e| picture(e.to_string()))?
        .into_rgb8();
    let (width, height) = (decoded.width() as usize, decoded.height() as usize);
    let pixels = decoded.pixels().map(|p| p.0).collect();
    Plane::new(width, height, pixels)
        .map(Some)
        .map_err(|e| picture(e.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_files_are_known_by_name() {
        for name in ["sr.dcm", "seg-2.dcm", "image-0.dcm", "fhir.json"] {
            assert!(is_ours(name), "{name}");
        }
        for name in [
            "reading.json",
            "sr.dcm.bak",
            "seg-.dcm",
            "seg-x.dcm",
            "other.dcm",
        ] {
            assert!(!is_ours(name), "{name}");
        }
    }
}
