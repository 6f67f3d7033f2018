//! Masks as files: which of a folder belong to an image, and reading them.

use anyhow::{Context, Result, anyhow, bail};
use hilum_image::Mask;
use hilum_image::decode::{Limits, decode};
use hilum_measure::{MaskSet, Structure};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Values of a mask file that shows several structures: value and structure.
#[derive(Debug, Clone, PartialEq)]
pub struct Classes(pub Vec<(u16, Structure)>);

impl std::str::FromStr for Classes {
    type Err = String;

    /// `jsrt`, or `1=right_lung,2=left_lung,3=heart`.
    fn from_str(text: &str) -> Result<Self, String> {
        if text == "jsrt" {
            return "1=right_lung,2=left_lung,3=heart".parse();
        }
        let mut all: Vec<(u16, Structure)> = Vec::new();
        for pair in text.split(',') {
            let (value, name) = pair
                .split_once('=')
                .ok_or_else(|| format!("`{pair}` is not VALUE=NAME"))?;
            let value: u16 = value
                .trim()
                .parse()
                .map_err(|_| format!("`{value}` is not a value from 1 to 65535"))?;
            let structure = Structure::of_name(name)
                .ok_or_else(|| format!("`{name}` is not a structure that is measured"))?;
            if value == 0 || all.iter().any(|(v, s)| *v == value || *s == structure) {
                return Err(format!(
                    "`{pair}`: 0 is the background, and each is given once"
                ));
            }
            all.push((value, structure));
        }
        Ok(Classes(all))
    }
}

/// The masks of one image with the files that they came from.
pub struct Found {
    /// The masks.
    pub set: MaskSet,
    /// Their files.
    pub files: BTreeMap<String, PathBuf>,
    /// Files beside them whose names are no structure's.
    pub ignored: usize,
}

/// The masks of a folder that belong to the image called `stem`: in the folder `stem/`, as `stem-NAME.png` or `stem_NAME.png`, or, when
/// `alone`, as `NAME.png`; with classes, `stem.png`.
///
/// # Errors
/// No mask; two of one structure; masks of another size than `size` or than each other; a file that cannot be read.
pub fn find(
    folder: &Path,
    stem: &str,
    alone: bool,
    classes: Option<&Classes>,
    size: Option<(usize, usize)>,
) -> Result<Found> {
    if let Some(classes) = classes {
        return of_classes(folder, stem, classes, size);
    }
    let own = folder.join(stem);
    let (files, ignored) = if own.is_dir() {
        named(&own, |name| Some(name.to_owned()))?
    } else {
        let prefixed = named(folder, |name| {
            let rest = name.strip_prefix(stem)?;
            let rest = rest.strip_prefix(['-', '_'])?;
            Some(rest.to_owned())
        })?;
        if prefixed.0.is_empty() && alone {
            named(folder, |name| Some(name.to_owned()))?
        } else {
            prefixed
        }
    };
    if files.is_empty() {
        bail!(
            "{}: no mask for `{stem}` (looked for {stem}/NAME.png, {stem}-NAME.png{}; the names are in docs/measure.md)",
            folder.display(),
            if alone { " and NAME.png" } else { "" }
        );
    }
    let mut set: Option<MaskSet> = None;
    let mut kept = BTreeMap::new();
    for (structure, path) in files {
        let mask = read(&path)?.map(|v| u8::from(*v != 0) * 255);
        let (w, h) = size.unwrap_or((mask.width, mask.height));
        let set = match &mut set {
            Some(set) => set,
            None => set.insert(MaskSet::new(w, h).with_context(|| path.display().to_string())?),
        };
        set.insert(structure, mask)
            .with_context(|| path.display().to_string())?;
        kept.insert(structure.name(), path);
    }
    let set = set.ok_or_else(|| anyhow!("{}: no masks", folder.display()))?;
    Ok(Found {
        set,
        files: kept,
        ignored,
    })
}

/// Structures with their files, and how many files have other names.
fn named(
    folder: &Path,
    rest: impl Fn(&str) -> Option<String>,
) -> Result<(BTreeMap<Structure, PathBuf>, usize)> {
    let mut all: BTreeMap<Structure, PathBuf> = BTreeMap::new();
    let mut ignored = 0;
    let entries = std::fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    let mut paths: Vec<PathBuf> = entries
        .collect::<Result<Vec<_>, _>>()
        .with_context(|| folder.display().to_string())?
        .into_iter()
        .map(|e| e.path())
        .filter(|p| p.extension().is_some_and(|e| e.eq_ignore_ascii_case("png")))
        .collect();
    paths.sort();
    for path in paths {
        let Some(name) = path.file_stem().and_then(|s| s.to_str()).and_then(&rest) else {
            continue;
        };
        let Some(structure) = Structure::of_name(&name) else {
            ignored += 1;
            continue;
        };
        if let Some(other) = all.insert(structure, path.clone()) {
            bail!(
                "{} and {} are both masks of {structure}",
                other.display(),
                path.display()
            );
        }
    }
    Ok((all, ignored))
}

fn of_classes(
    folder: &Path,
    stem: &str,
    classes: &Classes,
    size: Option<(usize, usize)>,
) -> Result<Found> {
    let path = folder.join(format!("{stem}.png"));
    let map = read(&path)?;
    let shown = || path.display().to_string();
    let (w, h) = size.unwrap_or((map.width, map.height));
    let mut set = MaskSet::new(w, h).with_context(shown)?;
    let mut files = BTreeMap::new();
    for (value, structure) in &classes.0 {
        let mask: Mask = map.map(|v| u8::from(v == value) * 255);
        set.insert(*structure, mask).with_context(shown)?;
        files.insert(structure.name(), path.clone());
    }
    Ok(Found {
        set,
        files,
        ignored: 0,
    })
}

fn read(path: &Path) -> Result<hilum_image::Plane<u16>> {
    let limits = Limits::default();
    let size = std::fs::metadata(path)
        .with_context(|| path.display().to_string())?
        .len();
    if size > limits.max_file_bytes {
        bail!("{}: {size} bytes are too many for a mask", path.display());
    }
    let bytes = std::fs::read(path).with_context(|| path.display().to_string())?;
    let raster = decode(&bytes, &limits).with_context(|| path.display().to_string())?;
    if raster.colour {
        bail!("{}: a mask is grey, this is in colour", path.display());
    }
    Ok(raster.values)
}
