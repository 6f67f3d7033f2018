//! `hilum ct`: what a CT is, another form of it, and what lies round its nodules.

use crate::exit::{Code, Usage};
use anyhow::{Context, Result};
use hilum_chestct::surroundings::measure;
use hilum_chestct::vessels::VesselOptions;
use hilum_chestct::{AirwayOptions, Features, Structures, SurroundingOptions, lidc};
use hilum_volume::load::{Loaded, load};
use hilum_volume::nifti::{self, Orientation};
use hilum_volume::{Volume, series_write};
use serde::Serialize;
use std::path::{Path, PathBuf};

/// Work on a CT.
#[derive(Debug, clap::Subcommand)]
pub enum Verb {
    /// Size, spacing, orientation and values of a volume
    Info {
        /// NIfTI file or folder with the slices of one DICOM series
        ct: PathBuf,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Write a volume as NIfTI (.nii, .nii.gz) or as the slices of a DICOM CT series (a folder)
    Convert {
        /// NIfTI file or folder with the slices of one DICOM series
        ct: PathBuf,
        /// X.nii, X.nii.gz, or a folder for DICOM slices
        #[arg(long)]
        out: PathBuf,
        /// Resample to voxels of this side in mm (trilinear)
        #[arg(long, value_name = "MM")]
        spacing: Option<f64>,
    },
    /// Distances of nodules to pleura, airways and vessels, branches that touch them, share of the shell round them
    Nodules(Nodules),
}

/// Options of `ct nodules`.
#[derive(Debug, clap::Args)]
pub struct Nodules {
    /// NIfTI file or folder with the slices of one DICOM series
    ct: PathBuf,
    /// Mask of the nodules on the CT's grid: values over 0; connected parts are nodules
    #[arg(long, value_name = "NIFTI", conflicts_with = "xml")]
    mask: Option<PathBuf>,
    /// Readers' outlines and ratings as LIDC-IDRI publishes them
    #[arg(long, value_name = "XML", required_unless_present = "mask")]
    xml: Option<PathBuf>,
    /// Columns and rows of the matrix that the outlines count in; the CT's own when not given
    #[arg(long, requires = "xml")]
    matrix: Option<usize>,
    /// A point in an airway, LPS mm; the trachea is looked for when not given
    #[arg(
        long,
        value_name = "X,Y,Z",
        value_delimiter = ',',
        allow_negative_numbers = true
    )]
    seed: Vec<f64>,
    /// Thickness of the shell round a nodule, mm
    #[arg(long, default_value_t = 5.0)]
    shell: f64,
    /// Also write lungs (1), airways (2), vessels (3) and nodules (4) as a label volume
    #[arg(long, value_name = "NIFTI")]
    labels: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct Info {
    ct: String,
    source: hilum_volume::Source,
    orientation: Orientation,
    size: [usize; 3],
    spacing_mm: [f64; 3],
    /// Index of voxel centres to LPS millimetres.
    affine: hilum_volume::Affine,
    lowest: f32,
    highest: f32,
}

#[derive(Debug, Serialize)]
struct Answer {
    notice: &'static str,
    ct: String,
    /// Null with the reason when no airways were found.
    airway_threshold_hu: Option<f32>,
    airways_missing: Option<String>,
    nodules: Vec<Row>,
}

#[derive(Debug, Serialize)]
struct Row {
    #[serde(flatten)]
    features: Features,
    /// Readers' ratings, where the outlines carry them.
    readers: Option<lidc::Consensus>,
}

/// Runs the verb.
pub fn run(verb: &Verb) -> Result<Code> {
    match verb {
        Verb::Info { ct, json } => info(ct, *json),
        Verb::Convert { ct, out, spacing } => convert(ct, out, *spacing),
        Verb::Nodules(args) => nodules(args),
    }
}

fn read(path: &Path) -> Result<Loaded> {
    let loaded = load(path)?;
    if loaded.orientation == Orientation::NotStated {
        eprintln!(
            "hilum: {}: no orientation is stated; axes are taken as right to left, back to front, foot to head",
            path.display()
        );
    }
    Ok(loaded)
}

fn info(path: &Path, json: bool) -> Result<Code> {
    let loaded = load(path)?;
    let (lowest, highest) = loaded.volume.min_max();
    let info = Info {
        ct: path.display().to_string(),
        source: loaded.source,
        orientation: loaded.orientation,
        size: loaded.volume.size,
        spacing_mm: loaded.volume.affine.spacing(),
        affine: loaded.volume.affine,
        lowest,
        highest,
    };
    if json {
        println!("{}", serde_json::to_string_pretty(&info)?);
        return Ok(Code::Success);
    }
    let [x, y, z] = info.size;
    let [sx, sy, sz] = info.spacing_mm;
    println!(
        "{}: {x} x {y} x {z} voxels of {sx:.3} x {sy:.3} x {sz:.3} mm",
        info.ct
    );
    println!(
        "values {lowest} to {highest}, orientation {:?}",
        info.orientation
    );
    for (axis, step) in ["first", "second", "third"].iter().zip(info.affine.axes) {
        println!(
            "{axis} axis: {:.3} {:.3} {:.3} mm to the left, back and head",
            step[0], step[1], step[2]
        );
    }
    Ok(Code::Success)
}

fn convert(path: &Path, out: &Path, spacing: Option<f64>) -> Result<Code> {
    let loaded = read(path)?;
    let mut volume = loaded.volume;
    if let Some(mm) = spacing {
        let (lowest, _) = volume.min_max();
        volume = volume.isotropic(mm, lowest)?;
    }
    let name = out.to_string_lossy();
    if name.ends_with(".nii") || name.ends_with(".nii.gz") {
        // Whole numbers stay whole.
        match series_write::whole_hu(&volume) {
            Ok(whole) if volume.data.iter().all(|v| v.fract() == 0.0) => nifti::write(&whole, out)?,
            _ => nifti::write(&volume, out)?,
        }
        println!("{}", out.display());
        return Ok(Code::Success);
    }
    if out.extension().is_some() {
        let words = format!("--out {}: .nii, .nii.gz or a folder", out.display());
        return Err(Usage(words).into());
    }
    if out.is_dir() && out.read_dir().is_ok_and(|mut d| d.next().is_some()) {
        anyhow::bail!("{}: the folder is not empty", out.display());
    }
    let from = path.file_name().unwrap_or_default().to_string_lossy();
    let words = format!(
        "Written from {from} by hilum ct convert {}",
        env!("CARGO_PKG_VERSION")
    );
    let slices = series_write::write(&series_write::whole_hu(&volume)?, out, &words)?;
    println!("{}: {} slices", out.display(), slices.len());
    Ok(Code::Success)
}

fn nodules(args: &Nodules) -> Result<Code> {
    let ct = read(&args.ct)?.volume;
    let (mask, readers) = match (&args.mask, &args.xml) {
        (Some(mask), _) => {
            let mask = load(mask)?.volume.map(|&v| u8::from(v > 0.0));
            (mask, Vec::new())
        }
        (None, Some(xml)) => outlined(&ct, xml, args.matrix)?,
        (None, None) => return Err(Usage("--mask or --xml".into()).into()),
    };
    let seed = seed(&ct, &args.seed)?;
    let options = SurroundingOptions {
        shell: args.shell,
        ..SurroundingOptions::default()
    };
    if !(options.shell > 0.0 && options.shell <= 50.0) {
        return Err(Usage(format!("--shell {}: over 0 to 50 mm", args.shell)).into());
    }
    let structures = Structures::of(
        &ct,
        &mask,
        seed,
        &AirwayOptions::default(),
        &VesselOptions::default(),
    )?;
    let features = measure(&ct, &mask, &structures, &options)?;
    if let Some(path) = &args.labels {
        nifti::write(&labelled(&structures, &mask), path)?;
    }
    let tree = structures.airways.as_ref();
    let answer = Answer {
        notice: hilum_reading::RESEARCH_NOTICE,
        ct: args.ct.display().to_string(),
        airway_threshold_hu: tree.ok().map(|t| t.threshold),
        airways_missing: tree.err().cloned(),
        nodules: features
            .into_iter()
            .map(|f| Row {
                readers: rated(&ct, &f, &readers),
                features: f,
            })
            .collect(),
    };
    if args.json {
        println!("{}", serde_json::to_string_pretty(&answer)?);
    } else {
        print(&answer);
    }
    Ok(Code::Success)
}

/// Outlines of readers as a mask.
fn outlined(
    ct: &Volume<f32>,
    xml: &Path,
    matrix: Option<usize>,
) -> Result<(Volume<u8>, Vec<lidc::Consensus>)> {
    let read = lidc::read(xml)?;
    let found = lidc::nodules(&read, ct, matrix.unwrap_or(ct.size[0]))
        .with_context(|| xml.display().to_string())?;
    let mut mask = ct.map(|_| 0u8);
    for nodule in &found {
        nodule.voxels.iter().for_each(|&at| mask.data[at] = 1);
    }
    if found.is_empty() {
        anyhow::bail!("{}: no nodule with a rating in it", xml.display());
    }
    Ok((mask, found))
}

/// The readers' nodule that lies where a measured one does.
fn rated(
    ct: &Volume<f32>,
    features: &Features,
    readers: &[lidc::Consensus],
) -> Option<lidc::Consensus> {
    let back = ct.affine.inverse().ok()?;
    let [i, j, k] = back
        .apply(features.centre)
        .map(|v| v.round().max(0.0) as usize);
    let near = |n: &&lidc::Consensus| {
        n.voxels.iter().any(|&at| {
            let p = ct.index_of(at);
            p[0].abs_diff(i) <= 1 && p[1].abs_diff(j) <= 1 && p[2].abs_diff(k) <= 1
        })
    };
    readers.iter().find(near).cloned()
}

fn seed(ct: &Volume<f32>, point: &[f64]) -> Result<Option<[usize; 3]>> {
    let [x, y, z] = match point {
        [] => return Ok(None),
        [x, y, z] => [*x, *y, *z],
        _ => return Err(Usage("--seed: three numbers, X,Y,Z".into()).into()),
    };
    let index = ct.affine.inverse()?.apply([x, y, z]).map(f64::round);
    let inside = (0..3).all(|k| index[k] >= 0.0 && index[k] < ct.size[k] as f64);
    if !inside {
        anyhow::bail!("--seed {x},{y},{z}: outside of the CT");
    }
    Ok(Some(index.map(|v| v as usize)))
}

fn labelled(structures: &Structures, nodules: &Volume<u8>) -> Volume<u8> {
    let mut out = structures.lungs.clone();
    let mut paint = |mask: &Volume<u8>, label: u8| {
        for (v, m) in out.data.iter_mut().zip(&mask.data) {
            if *m != 0 {
                *v = label;
            }
        }
    };
    if let Ok(tree) = &structures.airways {
        paint(&tree.mask, 2);
    }
    paint(&structures.vessels, 3);
    paint(nodules, 4);
    out
}

fn print(answer: &Answer) {
    let mm = |v: Option<f64>| v.map_or("-".to_owned(), |v| format!("{v:.1}"));
    println!(
        "{:>3} {:>9} {:>10} {:>10} {:>10} {:>13} {:>13} {:>8} {:>8} {:>10}",
        "no",
        "diam. mm",
        "pleura mm",
        "airway mm",
        "vessel mm",
        "airways t/p",
        "vessels t/p",
        "airway %",
        "vessel %",
        "malignancy"
    );
    for row in &answer.nodules {
        let f = &row.features;
        let pair = |n: Option<hilum_chestct::surroundings::Near>| {
            n.map_or("-".to_owned(), |n| {
                format!("{} / {}", n.touching, n.projecting)
            })
        };
        let share = |v: Option<f64>| v.map_or("-".to_owned(), |v| format!("{:.2}", 100.0 * v));
        println!(
            "{:>3} {:>9.1} {:>10} {:>10} {:>10} {:>13} {:>13} {:>8} {:>8} {:>10}",
            f.nodule,
            f.diameter_mm,
            mm(f.pleura_mm),
            mm(f.airways.and_then(|a| a.mm)),
            mm(f.vessels.mm),
            pair(f.airways),
            pair(Some(f.vessels)),
            share(f.airways.map(|a| a.share)),
            share(Some(f.vessels.share)),
            row.readers
                .as_ref()
                .map_or("-".to_owned(), |r| format!("{:.2}", r.malignancy)),
        );
    }
    println!(
        "t/p: branches that touch the nodule / that end short of it and point at it; % of the shell round it"
    );
    if let Some(reason) = &answer.airways_missing {
        eprintln!("hilum: no airways: {reason}");
    }
    println!("{}", answer.notice);
}
