//! Images of many samples in a network's shape, kept as bytes.

use crate::context::{Context, model_path};
use crate::error::{MethodError, Result};
use crate::lungs_heart;
use crate::serve::{NetSegmenter, Segmenter};
use hilum_core::Rect;
use hilum_data::Sample;
use hilum_image::{Gray, Mask, Plane, Recipe, resize};
use hilum_nn::InputContract;
use hilum_nn::weights::WeightFile;
use indicatif::{ParallelProgressIterator, ProgressBar, ProgressStyle};
use rayon::prelude::*;

/// One image in network shape.
#[derive(Debug, Clone)]
pub struct Picture {
    /// Grey levels, before scaling.
    pub plane: Plane<u8>,
    /// The part of the stored image that it shows.
    pub crop: Rect,
    /// Width and height of the stored image.
    pub stored: (usize, usize),
    /// Masks of the asked structures at network size, 0 or 255; `None` where the set has none.
    pub masks: Vec<Option<Plane<u8>>>,
}

/// Where the lungs come from, for contracts that crop or mask by them.
#[derive(Clone, Copy)]
pub enum Lungs<'a> {
    /// The contract needs none.
    None,
    /// The trained segmenter finds them, as it will when the model is used.
    Found(&'a NetSegmenter),
}

/// The segmenter as shipped.
pub fn trained_segmenter(ctx: &Context<'_>) -> Result<NetSegmenter> {
    let path = model_path(&ctx.models, lungs_heart::MODEL);
    if !path.is_file() {
        return Err(MethodError::NoModel(lungs_heart::MODEL.to_owned()));
    }
    NetSegmenter::new(&WeightFile::open(&path)?)
}

/// Loads `samples` in parallel through the one pixel path. A file that cannot be read stops everything:
/// training on less than the split says would make its hash a lie.
pub fn load_pictures(
    samples: &[Sample],
    contract: &InputContract,
    lungs: Lungs<'_>,
    structures: &[&str],
) -> Result<Vec<Picture>> {
    let bar = ProgressBar::new(samples.len() as u64).with_message("images");
    let style = ProgressStyle::with_template("{msg} {bar:30} {pos}/{len} eta {eta}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    let load = |s: &Sample| picture(s, contract, lungs, structures);
    let pictures: Result<Vec<Picture>> = samples
        .par_iter()
        .progress_with(bar.clone())
        .map(load)
        .collect();
    bar.finish_and_clear();
    pictures
}

fn picture(
    sample: &Sample,
    contract: &InputContract,
    lungs: Lungs<'_>,
    structures: &[&str],
) -> Result<Picture> {
    let image = hilum_dicom::load(sample.path(), Recipe::Voi)?.pixels;
    let stored = (image.width, image.height);
    let found = find_lungs(&image, contract, lungs)?;
    let prepared = contract.prepare(&image, found.as_ref())?;
    let mask = |name: &&str| mask(sample, name, stored, contract);
    let masks = structures.iter().map(mask).collect::<Result<_>>()?;
    Ok(Picture {
        plane: prepared.plane,
        crop: prepared.crop,
        stored,
        masks,
    })
}

/// The lungs when the contract needs them. An image in which none are found is used whole: the reader
/// does the same and says so.
fn find_lungs(image: &Gray, contract: &InputContract, lungs: Lungs<'_>) -> Result<Option<Mask>> {
    if !contract.needs_lungs() {
        return Ok(None);
    }
    let Lungs::Found(segmenter) = lungs else {
        return Err(MethodError::Config(
            "this input contract needs a lung segmenter".into(),
        ));
    };
    let index = segmenter
        .index("lungs")
        .ok_or_else(|| MethodError::Config("the segmenter does not find lungs".into()))?;
    let mask = segmenter.segment(image)?.masks.swap_remove(index);
    Ok(Some(whole_if_empty(mask)))
}

/// An empty mask becomes a full one.
pub fn whole_if_empty(mask: Mask) -> Mask {
    if mask.count() == 0 {
        mask.map(|_| 255)
    } else {
        mask
    }
}

fn mask(
    sample: &Sample,
    structure: &str,
    stored: (usize, usize),
    contract: &InputContract,
) -> Result<Option<Plane<u8>>> {
    let parts = sample.mask_parts(structure);
    let Some(union) = hilum_data::pixels::load_union(&parts, sample.path(), stored)? else {
        return Ok(None);
    };
    let gray = Plane::new(union.width, union.height, union.data)?;
    let kernel = hilum_image::Kernel::PilBilinear;
    let small = resize::resize_u8(&gray, contract.width, contract.height, kernel)?;
    Ok(Some(small))
}
