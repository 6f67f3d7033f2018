//! `hilum drr`: a radiograph out of a CT.

use super::drr_along::{self, BoxRecord, MaskRecord, NamedBox, NamedPoint, PointRecord};
use crate::exit::{Code, Usage};
use anyhow::{Context, Result};
use hilum_dicom::write::DxImage;
use hilum_drr::attenuation::Attenuation;
use hilum_drr::geometry::{Beam, Geometry, Pose, View};
use hilum_drr::{Look, Method, Part, Projector};
use hilum_image::{Gray, draw};
use hilum_volume::load::{Loaded, load};
use hilum_volume::nifti::Orientation;
use hilum_volume::{Vec3, Volume};
use serde::Serialize;
use std::path::{Path, PathBuf};

/// Project a CT to a radiograph.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// CT: a NIfTI file (.nii, .nii.gz) or a folder with the slices of one DICOM series
    ct: PathBuf,
    /// Picture to write: .png, or .dcm for a DICOM DX of 12 bits; X.json beside it holds the whole geometry
    #[arg(long, value_name = "X.png")]
    out: PathBuf,
    /// Projection
    #[arg(long, value_enum, default_value = "pa")]
    view: ViewName,
    /// Picture size in pixels: N, or WIDTHxHEIGHT
    #[arg(long, default_value = "512", value_parser = parse_size)]
    size: (usize, usize),
    /// Source to detector in mm
    #[arg(long, default_value_t = 1800.0)]
    sid: f64,
    /// Source to the volume's centre in mm
    #[arg(long, default_value_t = 1600.0)]
    sad: f64,
    /// Side of a detector pixel in mm; 409.6 mm over the picture's width when not given
    #[arg(long)]
    pixel: Option<f64>,
    /// Parallel rays in place of a point source
    #[arg(long)]
    parallel: bool,
    /// Degrees that the patient turns the front to the left
    #[arg(long, default_value_t = 0.0, allow_negative_numbers = true)]
    yaw: f64,
    /// Degrees that the patient leans the head back
    #[arg(long, default_value_t = 0.0, allow_negative_numbers = true)]
    pitch: f64,
    /// Degrees that the patient tips the head to the left
    #[arg(long, default_value_t = 0.0, allow_negative_numbers = true)]
    roll: f64,
    /// Millimetres that the patient is moved to the left, back and head: X,Y,Z
    #[arg(long, value_parser = drr_along::parse_place, default_value = "0,0,0", allow_negative_numbers = true)]
    shift: Vec3,
    /// How values along a ray are added up
    #[arg(long, value_enum, default_value = "siddon")]
    method: MethodName,
    /// Which tissue is projected
    #[arg(long, value_enum, default_value = "all")]
    part: PartName,
    /// Voxels below this count as nothing, in HU
    #[arg(long, value_name = "HU", allow_negative_numbers = true)]
    threshold: Option<f32>,
    /// Attenuation at this photon energy in keV, bone and soft tissue apart; 0.02 per mm of water when not given
    #[arg(long, value_name = "KEV")]
    energy: Option<f64>,
    /// Also write the line integrals of mu_water max(0, 1 + HU/1000), mu_water = 0.02 per mm: float32, little endian, row by row
    #[arg(long, value_name = "X.f32")]
    raw: Option<PathBuf>,
    /// Bits of the PNG
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u8).range(8..=16))]
    bits: u8,
    /// Scatter, blur, noise, edge enhancement and film curve of a chest stand; the options below change single ones
    #[arg(long)]
    radiograph: bool,
    /// Scattered over primary signal
    #[arg(long)]
    scatter: Option<f64>,
    /// Photons that reach an uncovered pixel
    #[arg(long)]
    photons: Option<f64>,
    /// Blur on the detector in mm
    #[arg(long, value_name = "MM")]
    blur: Option<f64>,
    /// Share of fine detail added again
    #[arg(long)]
    sharpen: Option<f64>,
    /// Share of broad contrast taken away
    #[arg(long)]
    equalise: Option<f64>,
    /// Exponent of the display curve
    #[arg(long)]
    gamma: Option<f64>,
    /// Line integrals shown black and white: LOW,HIGH
    #[arg(long, value_parser = parse_window)]
    window: Option<(f64, f64)>,
    /// Bone dark, as on film seen as MONOCHROME1
    #[arg(long)]
    invert: bool,
    /// Seed of the noise
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Label volume on the CT's grid; each label is projected to a mask
    #[arg(long, value_name = "NIFTI", requires = "masks")]
    labels: Option<PathBuf>,
    /// Folder for the masks, label-N.png
    #[arg(long, value_name = "DIR", requires = "labels")]
    masks: Option<PathBuf>,
    /// A point in LPS mm to project: NAME=X,Y,Z; may be given several times
    #[arg(long = "point", value_name = "NAME=X,Y,Z", value_parser = drr_along::parse_point)]
    points: Vec<NamedPoint>,
    /// A box in LPS mm to project, by two opposite corners: NAME=X,Y,Z,X,Y,Z; may be given several times
    #[arg(long = "box", value_name = "NAME=X,Y,Z,X,Y,Z", value_parser = drr_along::parse_box)]
    boxes: Vec<NamedBox>,
}

/// Projections by name.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub enum ViewName {
    /// Postero-anterior
    Pa,
    /// Antero-posterior
    Ap,
    /// Left lateral
    Lateral,
    /// Right lateral
    RightLateral,
}

impl From<ViewName> for View {
    fn from(name: ViewName) -> Self {
        match name {
            ViewName::Pa => View::Pa,
            ViewName::Ap => View::Ap,
            ViewName::Lateral => View::Lateral,
            ViewName::RightLateral => View::RightLateral,
        }
    }
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum MethodName {
    /// Exact lengths in voxels of constant value
    Siddon,
    /// Linear interpolation between voxels
    Trilinear,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum PartName {
    /// Everything
    All,
    /// Bone alone
    Bone,
    /// Everything but bone
    Soft,
}

/// What the JSON beside a picture holds.
#[derive(Debug, Serialize)]
struct Record {
    notice: &'static str,
    hilum: &'static str,
    ct: String,
    source: hilum_volume::Source,
    orientation: Orientation,
    volume_size: [usize; 3],
    /// Index (voxel centres) to LPS mm.
    volume_affine: hilum_volume::Affine,
    volume_centre: Vec3,
    view: View,
    pose: Pose,
    geometry: Geometry,
    pixel_convention: &'static str,
    method: Method,
    attenuation: Attenuation,
    look: Look,
    display_window: (f64, f64),
    inverted: bool,
    bits: u8,
    raw: Option<RawRecord>,
    masks: Vec<MaskRecord>,
    points: Vec<PointRecord>,
    boxes: Vec<BoxRecord>,
}

#[derive(Debug, Serialize)]
struct RawRecord {
    path: String,
    dtype: &'static str,
    shape: [usize; 2],
    what: &'static str,
}

fn parse_size(text: &str) -> Result<(usize, usize), String> {
    let (w, h) = text.split_once('x').unwrap_or((text, text));
    let side = |t: &str| {
        t.parse::<usize>()
            .ok()
            .filter(|&n| n > 0)
            .ok_or_else(|| format!("{text:?} is no size: N or WIDTHxHEIGHT, over 0"))
    };
    Ok((side(w)?, side(h)?))
}

fn parse_window(text: &str) -> Result<(f64, f64), String> {
    drr_along::parse_numbers(text).map(|[a, b]| (a, b))
}

/// Runs the verb.
pub fn run(args: &Args) -> Result<Code> {
    let dicom = kind(&args.out)? == Kind::Dicom;
    if dicom && args.parallel {
        let words = "a DICOM DX has a point source: --parallel writes .png only";
        return Err(Usage(words.to_owned()).into());
    }
    if args.bits != 8 && args.bits != 16 {
        return Err(Usage(format!("--bits {}: 8 or 16", args.bits)).into());
    }
    let look = look(args);
    look.validate()?;
    let attenuation = attenuation(args)?;
    let ct = load(&args.ct)?;
    if ct.orientation == Orientation::NotStated {
        eprintln!(
            "hilum: {}: no orientation is stated; axes are taken as right to left, back to front, foot to head",
            args.ct.display()
        );
    }
    check_hounsfield(&args.ct, &ct.volume)?;
    let pose = Pose {
        yaw: args.yaw,
        pitch: args.pitch,
        roll: args.roll,
        shift: args.shift,
    };
    let beam = if args.parallel {
        Beam::Parallel
    } else {
        Beam::Perspective
    };
    let pixel = args.pixel.unwrap_or(409.6 / args.size.0 as f64);
    let geometry = Geometry::of_view(
        args.view.into(),
        ct.volume.centre(),
        &pose,
        beam,
        args.sid,
        args.sad,
        pixel,
        args.size,
    )?;
    project(args, &ct, pose, geometry, attenuation, look)
}

/// Values further from 0 than this are no Hounsfield units, those of metal on an extended scale included.
const MOST_HU: f32 = 65_536.0;
/// A CT has something under this.
const AIR_HU: f32 = -200.0;

/// A NIfTI file does not say what its values are: what cannot be Hounsfield units is refused, and a volume without air remarked upon.
fn check_hounsfield(path: &Path, volume: &Volume<f32>) -> Result<()> {
    let (low, high) = volume.min_max();
    if low < -MOST_HU || high > MOST_HU {
        anyhow::bail!(
            "{}: values from {low} to {high} are no Hounsfield units",
            path.display()
        );
    }
    if low > AIR_HU {
        eprintln!(
            "hilum: {}: no air in it, the lowest value is {low}: is it a CT in Hounsfield units?",
            path.display()
        );
    }
    Ok(())
}

/// What the picture is written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Png,
    Dicom,
}

fn kind(out: &Path) -> Result<Kind> {
    let end = out.extension().map(|e| e.to_ascii_lowercase());
    match end.as_deref().and_then(|e| e.to_str()) {
        Some("png") => Ok(Kind::Png),
        Some("dcm") => Ok(Kind::Dicom),
        _ => {
            let words = format!("--out {}: the picture is a .png or a .dcm", out.display());
            Err(Usage(words).into())
        }
    }
}

fn look(args: &Args) -> Look {
    let mut look = if args.radiograph {
        Look::radiograph(args.seed)
    } else {
        Look {
            seed: args.seed,
            ..Look::default()
        }
    };
    let set = |field: &mut f64, value: Option<f64>| *field = value.unwrap_or(*field);
    set(&mut look.scatter, args.scatter);
    set(&mut look.photons, args.photons);
    set(&mut look.blur_mm, args.blur);
    set(&mut look.sharpen, args.sharpen);
    set(&mut look.equalise, args.equalise);
    set(&mut look.gamma, args.gamma);
    look.window = args.window.or(look.window);
    look
}

fn attenuation(args: &Args) -> Result<Attenuation> {
    let plain = match args.energy {
        Some(kev) => Attenuation::at_energy(kev)?,
        None => Attenuation::default(),
    };
    Ok(Attenuation {
        threshold_hu: args.threshold,
        part: match args.part {
            PartName::All => Part::All,
            PartName::Bone => Part::Bone,
            PartName::Soft => Part::Soft,
        },
        ..plain
    })
}

fn project(
    args: &Args,
    ct: &Loaded,
    pose: Pose,
    geometry: Geometry,
    attenuation: Attenuation,
    look: Look,
) -> Result<Code> {
    let method = match args.method {
        MethodName::Siddon => Method::Siddon,
        MethodName::Trilinear => Method::Trilinear,
    };
    let integrals = Projector::new(&ct.volume, |hu| attenuation.of(hu))?.project(&geometry, method);
    let raw = match &args.raw {
        Some(path) => Some(write_raw(
            path,
            ct,
            &geometry,
            method,
            attenuation,
            &integrals,
        )?),
        None => None,
    };
    let (mut shown, window) = look.picture(&integrals, geometry.pixel)?;
    if args.invert {
        shown = shown.map(|v| 1.0 - v);
    }
    let picture = match kind(&args.out)? {
        Kind::Png => encode(&shown, args.bits)?,
        Kind::Dicom => dicom(args, &shown, &geometry)?,
    };
    write(&args.out, &picture)?;
    let masks = match (&args.labels, &args.masks) {
        (Some(labels), Some(folder)) => drr_along::masks(labels, folder, ct, &geometry)?,
        _ => Vec::new(),
    };
    let record = Record {
        notice: hilum_reading::RESEARCH_NOTICE,
        hilum: env!("CARGO_PKG_VERSION"),
        ct: args.ct.display().to_string(),
        source: ct.source.clone(),
        orientation: ct.orientation,
        volume_size: ct.volume.size,
        volume_affine: ct.volume.affine,
        volume_centre: ct.volume.centre(),
        view: args.view.into(),
        pose,
        pixel_convention: "millimetres LPS; pixel (column, row) with whole numbers at pixel centres, (0, 0) top left; pixel centre = detector + pixel ((column - (width-1)/2) right + (row - (height-1)/2) down)",
        method,
        attenuation,
        look,
        display_window: window,
        inverted: args.invert,
        bits: args.bits,
        raw,
        masks,
        points: drr_along::points(&args.points, &geometry),
        boxes: drr_along::boxes(&args.boxes, &geometry),
        geometry,
    };
    write(
        &args.out.with_extension("json"),
        &serde_json::to_vec_pretty(&record)?,
    )?;
    Ok(Code::Success)
}

/// The plain line integrals; those of the picture where it shows just them.
fn write_raw(
    path: &Path,
    ct: &Loaded,
    geometry: &Geometry,
    method: Method,
    shown: Attenuation,
    integrals: &Gray,
) -> Result<RawRecord> {
    let plain = Attenuation::default();
    let bytes = |g: &Gray| {
        g.data
            .iter()
            .flat_map(|v| v.to_le_bytes())
            .collect::<Vec<u8>>()
    };
    if shown == plain {
        write(path, &bytes(integrals))?;
    } else {
        write(
            path,
            &bytes(&Projector::new(&ct.volume, |hu| plain.of(hu))?.project(geometry, method)),
        )?;
    }
    Ok(RawRecord {
        path: path.display().to_string(),
        dtype: "float32, little endian, row by row",
        shape: [geometry.height, geometry.width],
        what: "line integrals of 0.02/mm max(0, 1 + HU/1000), no unit",
    })
}

/// Bits that a DX holds, as chest stands' do.
const DICOM_BITS: u16 = 12;

fn dicom(args: &Args, shown: &Gray, geometry: &Geometry) -> Result<Vec<u8>> {
    let most = f32::from((1u16 << DICOM_BITS) - 1);
    let values: Vec<u16> = shown.data.iter().map(|v| (v * most + 0.5) as u16).collect();
    let side = |n: usize| {
        u16::try_from(n).map_err(|_| Usage(format!("{n} pixels: a DICOM image has at most 65535")))
    };
    let (view_position, orientation) = match args.view {
        ViewName::Pa => ("PA", ["L", "F"]),
        ViewName::Ap => ("AP", ["L", "F"]),
        ViewName::Lateral => ("LL", ["P", "F"]),
        ViewName::RightLateral => ("RL", ["A", "F"]),
    };
    let made_from = args.ct.file_name().unwrap_or_default().to_string_lossy();
    let derivation = format!(
        "Simulated from the CT {made_from} by hilum drr {}; not a radiograph of a patient",
        env!("CARGO_PKG_VERSION")
    );
    let image = DxImage {
        width: side(geometry.width)?,
        height: side(geometry.height)?,
        values: &values,
        bits: DICOM_BITS,
        inverted: args.invert,
        view_position,
        orientation,
        imager_pixel_mm: geometry.pixel,
        source_to_detector_mm: args.sid,
        source_to_patient_mm: args.sad,
        derivation: &derivation,
    };
    Ok(hilum_dicom::write::encode(&image)?)
}

fn encode(shown: &Gray, bits: u8) -> Result<Vec<u8>> {
    Ok(if bits == 16 {
        draw::encode_gray16_png(&shown.map(|&v| (v * 65535.0 + 0.5) as u16))?
    } else {
        draw::encode_gray_png(&shown.map(|&v| (v * 255.0 + 0.5) as u8))?
    })
}

pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    std::fs::write(path, bytes).with_context(|| format!("cannot write {}", path.display()))
}
