//! `hilum inspect`: what the file says, what was done to its pixels, and what a network would see.

use crate::exit::{Code, Usage};
use crate::places;
use anyhow::{Context, Result, anyhow};
use hilum_dicom::{DicomMeta, LoadedImage, load};
use hilum_image::{Mask, Recipe, draw};
use hilum_methods::serve::Segmenter;
use hilum_nn::InputContract;
use hilum_nn::contract::Prepared;
use hilum_nn::weights::atomic_write;
use hilum_pipeline::{Store, gate};
use serde_json::Value;
use std::fmt::Write as _;
use std::path::PathBuf;

/// Show what a network sees of a file, and how it came about.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// DICOM, PNG, JPEG or TIFF
    file: PathBuf,
    /// Model whose view is shown (see `hilum weights list`)
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    /// Write what the network sees as a grey PNG; without --model, the image as displayed
    #[arg(long, value_name = "PNG")]
    out: Option<PathBuf>,
    /// How stored values become grey levels: voi, linear, mimic-jpg, chexpert
    #[arg(long, default_value = "voi")]
    recipe: Recipe,
    /// Folder with models of your own (also $HILUM_MODELS)
    #[arg(long, value_name = "DIR")]
    models: Option<PathBuf>,
}

/// Runs the verb.
pub fn run(args: &Args) -> Result<Code> {
    let image = load(&args.file, args.recipe)?;
    let mut text = file_part(args, &image)?;
    let picture = match &args.model {
        None => image.pixels.to_u8(),
        Some(name) => {
            let store = places::store(args.models.as_deref())?;
            let seen = network_part(&store, name, &image, &mut text)?;
            seen.plane
        }
    };
    if let Some(out) = &args.out {
        let png = draw::encode_gray_png(&picture).with_context(|| format!("{}", out.display()))?;
        atomic_write(out, &png)?;
        writeln!(text, "\nwritten   {}", out.display())?;
    }
    std::io::Write::write_all(&mut std::io::stdout().lock(), text.as_bytes())?;
    Ok(Code::Success)
}

fn file_part(args: &Args, image: &LoadedImage) -> Result<String> {
    let mut out = String::new();
    writeln!(out, "file      {}", args.file.display())?;
    writeln!(out, "sha256    {}", image.sha256)?;
    writeln!(
        out,
        "kind      {:?}, {} x {} pixels, {} bits",
        image.kind, image.width, image.height, image.bits
    )?;
    if image.frames > 1 {
        writeln!(out, "frames    {}, the first is shown", image.frames)?;
    }
    if let Some((low, high)) = image.pixels.min_max() {
        writeln!(out, "levels    {low} to {high} of 0 to 255, bone bright")?;
    }
    writeln!(out, "recipe    {}", image.recipe)?;
    writeln!(out, "\nsteps")?;
    for (number, step) in image.steps.iter().enumerate() {
        writeln!(out, "  {}. {step}", number + 1)?;
    }
    if let Some(meta) = &image.meta {
        tags(meta, &mut out)?;
    }
    let verdict = gate::of_file(image);
    if !verdict.reasons.is_empty() {
        writeln!(out, "\ngate, from tags and pixels")?;
        for reason in &verdict.reasons {
            let weight = if reason.blocking { "stops" } else { "caution" };
            writeln!(out, "  {weight}: {} [{}]", reason.message, reason.code)?;
        }
    }
    Ok(out)
}

/// Attributes that are used and present.
fn tags(meta: &DicomMeta, out: &mut String) -> Result<()> {
    writeln!(out, "\ntags")?;
    let Value::Object(fields) = serde_json::to_value(meta)? else {
        return Ok(());
    };
    for (name, value) in fields.iter().filter(|(_, v)| !v.is_null()) {
        let shown = value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned);
        // Text of a file may hold characters that drive a terminal.
        let clean: String = shown.chars().filter(|c| !c.is_control()).collect();
        writeln!(out, "  {name:<22} {clean}")?;
    }
    Ok(())
}

fn network_part(
    store: &Store,
    name: &str,
    image: &LoadedImage,
    out: &mut String,
) -> Result<Prepared> {
    let model = store.find(name).ok_or_else(|| {
        let known: Vec<&str> = store.models().iter().map(|m| m.name.as_str()).collect();
        Usage(format!(
            "there is no model `{name}`; known: {}",
            if known.is_empty() {
                "none".to_owned()
            } else {
                known.join(", ")
            }
        ))
    })?;
    let contract = &model.description.contract;
    writeln!(
        out,
        "\nmodel     {name} (sha256 {})\n\ncontract\n{}",
        model.sha256,
        serde_json::to_string_pretty(contract)?
    )?;
    let lungs = if contract.needs_lungs() {
        Some(lungs(store, image, out)?)
    } else {
        None
    };
    let seen = contract.prepare(&image.pixels, lungs.as_ref())?;
    describe(contract, &seen, out)?;
    Ok(seen)
}

fn lungs(store: &Store, image: &LoadedImage, out: &mut String) -> Result<Mask> {
    let model = store
        .segmenter()
        .ok_or_else(|| anyhow!("the model looks at the lungs, and no model here finds them"))?;
    let segmenter = model.segmenter()?;
    let found = segmenter.segment(&image.pixels)?;
    writeln!(out, "\nlungs     outlined by {}", model.name)?;
    let at = segmenter
        .index("lungs")
        .and_then(|i| found.masks.into_iter().nth(i));
    at.ok_or_else(|| anyhow!("model `{}` gave no lungs", model.name))
}

fn describe(contract: &InputContract, seen: &Prepared, out: &mut String) -> Result<()> {
    let values = contract.values(&seen.plane);
    let (low, high) = values
        .iter()
        .fold((f32::MAX, f32::MIN), |(a, b), &v| (a.min(v), b.max(v)));
    let mean = values.iter().map(|&v| f64::from(v)).sum::<f64>() / values.len().max(1) as f64;
    let c = seen.crop;
    writeln!(
        out,
        "\nseen      x {:.0} to {:.0}, y {:.0} to {:.0} of the stored image, as {} x {}",
        c.x,
        c.x + c.w,
        c.y,
        c.y + c.h,
        seen.plane.width,
        seen.plane.height
    )?;
    writeln!(out, "values    {low:.3} to {high:.3}, mean {mean:.3}")?;
    Ok(())
}
