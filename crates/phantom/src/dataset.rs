//! Whole sets: pictures, masks, manifest, reports and truth in a folder; a run that was stopped goes on.

use crate::anatomy::Thorax;
use crate::error::PhantomError;
use crate::findings::Kind;
use crate::patient::Patient;
use crate::random::{Draws, Purpose};
use crate::render::{Scene, Tissue};
use crate::report::{self, Report};
use crate::timeline::{self, Visit};
use crate::truth::{self, MaskTruth, Measurements, StudyTruth, ViewTruth};
use hilum_image::{Gray, Mask, draw};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};

/// Words of the licence column.
const LICENCE: &str = "generated, no restrictions (CC0)";

/// What a set consists of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// Number of studies.
    pub studies: u64,
    /// Seed of everything.
    pub seed: u64,
    /// Pixels a side.
    pub size: usize,
    /// Most studies of one patient.
    pub timeline: u64,
    /// Lateral views of patients who stand.
    pub lateral: bool,
    /// Pictures of bones and of soft tissue alone, frontal.
    pub tissues: bool,
    /// CT-like volumes.
    pub volumes: bool,
    /// Version of the anatomy; another one gives other pictures.
    pub version: u32,
}

/// Version of the anatomy and the drawing.
pub const VERSION: u32 = 3;

impl Default for Settings {
    fn default() -> Self {
        Settings {
            studies: 10,
            seed: 1,
            size: 512,
            timeline: 3,
            lateral: true,
            tissues: false,
            volumes: false,
            version: VERSION,
        }
    }
}

/// How a run went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Summary {
    /// Studies made by this run.
    pub made: usize,
    /// Studies that were there.
    pub kept: usize,
    /// Pictures in the manifest.
    pub images: usize,
}

/// All that is written of one study.
#[derive(Debug, Serialize, Deserialize)]
struct Part {
    rows: Vec<Row>,
    boxes: Vec<BoxRow>,
    report: Report,
    truth: StudyTruth,
}

#[derive(Debug, Serialize, Deserialize)]
struct Row {
    path: String,
    set: String,
    split: String,
    patient_id: String,
    view: String,
    labels: String,
    label_source: String,
    mask_path: String,
    width: usize,
    height: usize,
    orig_width: usize,
    orig_height: usize,
    sex: String,
    age: u32,
    source: String,
    original_filename: String,
    licence: String,
    sha256: String,
    notes: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct BoxRow {
    path: String,
    split: String,
    label: String,
    x: f64,
    y: f64,
    w: f64,
    h: f64,
    box_source: String,
}

/// One study of the plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Planned {
    /// Patient number.
    pub patient: u64,
    /// Study number of the patient.
    pub study: u64,
}

/// The studies of a set, in order.
pub fn plan(settings: &Settings) -> Vec<Planned> {
    let mut all = Vec::new();
    for patient in 0.. {
        for study in 0..timeline::studies(settings.seed, patient, settings.timeline) {
            if all.len() as u64 == settings.studies {
                return all;
            }
            all.push(Planned { patient, study });
        }
    }
    all
}

/// Makes a set, or what is missing of it. `done` is called after every study.
///
/// # Errors
/// [`PhantomError::OtherSet`] when the folder holds a set with other settings; [`PhantomError::Io`].
pub fn generate(
    folder: &Path,
    settings: &Settings,
    done: impl Fn() + Sync,
) -> Result<Summary, PhantomError> {
    check(settings)?;
    for name in ["images", "masks", "manifests", "parts"] {
        let path = folder.join(name);
        std::fs::create_dir_all(&path).map_err(|e| PhantomError::io(&path, e))?;
    }
    claim(folder, settings)?;
    if settings.volumes {
        name_labels(folder)?;
    }
    let plan = plan(settings);
    let made: Result<Vec<bool>, PhantomError> = plan
        .par_iter()
        .map(|p| {
            let path = part_path(folder, settings, p);
            let missing = read_part(&path).is_none();
            if missing {
                write_json(&path, &study(folder, settings, p)?)?;
            }
            done();
            Ok(missing)
        })
        .collect();
    let made = made?.into_iter().filter(|m| *m).count();
    let images = assemble(folder, settings, &plan)?;
    Ok(Summary {
        made,
        kept: plan.len() - made,
        images,
    })
}

fn check(settings: &Settings) -> Result<(), PhantomError> {
    let bad = |name, value: String, range| Err(PhantomError::Setting { name, value, range });
    if settings.studies == 0 {
        return bad("n", "0".into(), "at least 1 study");
    }
    if !(32..=4096).contains(&settings.size) {
        return bad("size", settings.size.to_string(), "32 to 4096 pixels");
    }
    if settings.timeline == 0 {
        return bad("timeline", "0".into(), "at least 1 study a patient");
    }
    Ok(())
}

/// The folder belongs to one set. More studies of the same set may be asked for later.
fn claim(folder: &Path, settings: &Settings) -> Result<(), PhantomError> {
    let path = folder.join("set.json");
    if let Ok(bytes) = std::fs::read(&path) {
        let held: Settings = serde_json::from_slice(&bytes).map_err(|e| PhantomError::Write {
            path: path.clone(),
            reason: format!("not the settings of a phantom set: {e}"),
        })?;
        let same = Settings {
            studies: settings.studies,
            ..held.clone()
        };
        if same != *settings {
            return Err(PhantomError::OtherSet {
                path: folder.to_owned(),
                reason: format!("holds a set with other settings ({held:?}); take another folder"),
            });
        }
    }
    write_json(&path, settings)
}

/// The table of the labels of the label volumes.
fn name_labels(folder: &Path) -> Result<(), PhantomError> {
    let rows = crate::labels::structures()
        .into_iter()
        .map(|(name, id)| format!("{name},{id}\n"));
    let text: String = std::iter::once("structure,id\n".to_owned())
        .chain(rows)
        .collect();
    write_bytes(&folder.join("structures.csv"), text.as_bytes())
}

fn study_name(settings: &Settings, p: &Planned) -> String {
    format!("ph{}-{:06}-{}", settings.seed, p.patient, p.study)
}

fn patient_name(settings: &Settings, patient: u64) -> String {
    format!("PH{}-{patient:06}", settings.seed)
}

fn part_path(folder: &Path, settings: &Settings, p: &Planned) -> PathBuf {
    folder
        .join("parts")
        .join(format!("{}.json", study_name(settings, p)))
}

fn read_part(path: &Path) -> Option<Part> {
    serde_json::from_slice(&std::fs::read(path).ok()?).ok()
}

/// Written beside and renamed: what is there is whole.
fn write_bytes(path: &Path, bytes: &[u8]) -> Result<(), PhantomError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".part");
    let beside = PathBuf::from(name);
    std::fs::write(&beside, bytes).map_err(|e| PhantomError::io(&beside, e))?;
    std::fs::rename(&beside, path).map_err(|e| PhantomError::io(path, e))
}

fn write_json<T: Serialize>(path: &Path, value: &T) -> Result<(), PhantomError> {
    let bytes = serde_json::to_vec(value).map_err(|e| PhantomError::Write {
        path: path.to_owned(),
        reason: e.to_string(),
    })?;
    write_bytes(path, &bytes)
}

/// Train, validation or test, by patient.
fn split(seed: u64, patient: u64) -> &'static str {
    match Draws::new(seed, Purpose::Split, patient, 0).unit() {
        u if u < 0.70 => "train",
        u if u < 0.82 => "val",
        _ => "test",
    }
}

fn study(folder: &Path, settings: &Settings, p: &Planned) -> Result<Part, PhantomError> {
    let patient = Patient::draw(settings.seed, p.patient);
    let visit = timeline::visit(settings.seed, &patient, p.study);
    let thorax = Thorax::new(
        patient,
        visit.exposure.clone(),
        visit.findings.clone(),
        settings.seed,
    );
    let scene = Scene::new(&thorax, settings.seed);
    let name = study_name(settings, p);
    let lateral = settings.lateral && !visit.exposure.supine;
    let mut writer = Writer {
        folder,
        settings,
        name: &name,
        visit: &visit,
        scene: &scene,
        rows: Vec::new(),
        boxes: Vec::new(),
        views: Vec::new(),
        measured: None,
    };
    writer.view(p, false)?;
    if lateral {
        writer.view(p, true)?;
    }
    if settings.volumes {
        writer.volume()?;
    }
    let measurements = writer.measured.take().unwrap_or(Measurements {
        cardiothoracic_ratio: None,
        ribs_over_right_dome: 0,
        carina_angle: 0.0,
        clavicle_ratio: None,
    });
    let (rows, boxes, views) = (writer.rows, writer.boxes, writer.views);
    Ok(Part {
        report: report::write(&name, settings.seed, p.patient, &visit, lateral),
        truth: StudyTruth {
            data: "phantom".into(),
            prior: p
                .study
                .checked_sub(1)
                .map(|study| study_name(settings, &Planned { study, ..*p })),
            study: name,
            patient_id: patient_name(settings, p.patient),
            day: visit.day,
            patient: thorax.patient.clone(),
            exposure: visit.exposure,
            findings: visit.findings,
            resolved: visit.resolved,
            measurements,
            views,
        },
        rows,
        boxes,
    })
}

struct Writer<'a> {
    folder: &'a Path,
    settings: &'a Settings,
    name: &'a str,
    visit: &'a Visit,
    scene: &'a Scene<'a>,
    rows: Vec<Row>,
    boxes: Vec<BoxRow>,
    views: Vec<ViewTruth>,
    measured: Option<Measurements>,
}

impl Writer<'_> {
    fn view(&mut self, p: &Planned, lateral: bool) -> Result<(), PhantomError> {
        let geometry = self.scene.geometry(lateral, self.settings.size)?;
        let integrals = self.scene.integrals(&geometry, lateral, Tissue::All)?;
        let shown = self.scene.picture(&integrals, &geometry, lateral)?;
        let short = if lateral { "lateral" } else { "frontal" };
        let path = format!("images/{}-{short}.png", self.name);
        let sha256 = self.png(&path, &shown)?;
        let masks = truth::anatomy_masks(self.scene, &geometry, lateral)?;
        let mut listed: Vec<MaskTruth> = Vec::new();
        for (name, mask) in &masks {
            if mask.count() > 0 {
                listed.push(self.mask(short, name.clone(), mask, None)?);
            }
        }
        for f in &self.visit.findings {
            if let Some(mask) = self.scene.finding(f, &geometry)?.filter(|m| m.count() > 0) {
                let kind = serde_json::to_value(f.kind)
                    .ok()
                    .and_then(|v| v.as_str().map(str::to_owned))
                    .unwrap_or_default();
                listed.push(self.mask(
                    short,
                    format!("finding-{}-{kind}", f.id),
                    &mask,
                    Some(f.id),
                )?);
            }
        }
        let view = match (lateral, self.visit.exposure.supine) {
            (true, _) => "L",
            (false, true) => "AP",
            (false, false) => "PA",
        };
        let split = split(self.settings.seed, p.patient);
        self.list_boxes(&path, split, &listed);
        if !lateral {
            self.measured = Some(truth::measure(self.scene.thorax, &geometry, &masks));
        }
        if self.settings.tissues && !lateral {
            for (what, tissue) in [("bone", Tissue::Bone), ("soft", Tissue::Soft)] {
                let part = self.scene.integrals(&geometry, lateral, tissue)?;
                self.png(
                    &format!("images/{}-{short}-{what}.png", self.name),
                    &self.scene.picture(&part, &geometry, lateral)?,
                )?;
            }
        }
        self.rows
            .push(self.row(p, &path, view, split, &listed, sha256));
        let landmarks = truth::on_picture(self.scene.thorax, &geometry);
        self.views.push(ViewTruth {
            view: view.into(),
            path,
            geometry,
            masks: listed,
            landmarks,
        });
        Ok(())
    }

    fn png(&self, path: &str, shown: &Gray) -> Result<String, PhantomError> {
        let bytes = draw::encode_gray_png(&shown.map(|&v| (v * 255.0 + 0.5) as u8))?;
        write_bytes(&self.folder.join(path), &bytes)?;
        Ok(Sha256::digest(&bytes)
            .iter()
            .map(|b| format!("{b:02x}"))
            .collect())
    }

    fn mask(
        &self,
        short: &str,
        name: String,
        mask: &Mask,
        finding: Option<u16>,
    ) -> Result<MaskTruth, PhantomError> {
        let path = format!("masks/{}-{short}-{name}.png", self.name);
        write_bytes(&self.folder.join(&path), &draw::encode_gray_png(mask)?)?;
        Ok(truth::listed(name, path, mask, finding))
    }

    fn volume(&self) -> Result<(), PhantomError> {
        let folder = self.folder.join("volumes");
        std::fs::create_dir_all(&folder).map_err(|e| PhantomError::io(&folder, e))?;
        let hu = self.scene.volume().map(|&v| v.round() as i16);
        let named = |end: &str| folder.join(format!("{}{end}.nii.gz", self.name));
        hilum_volume::nifti::write(&hu, &named(""))?;
        Ok(hilum_volume::nifti::write(
            &self.scene.labels(),
            &named("-labels"),
        )?)
    }

    fn list_boxes(&mut self, path: &str, split: &str, masks: &[MaskTruth]) {
        for m in masks {
            let finding = m
                .finding
                .and_then(|id| self.visit.findings.iter().find(|f| f.id == id));
            if let (Some(f), Some(b)) = (finding, m.bounds) {
                self.boxes.push(BoxRow {
                    path: path.to_owned(),
                    split: split.to_owned(),
                    label: f.kind.label().to_owned(),
                    x: b.x,
                    y: b.y,
                    w: b.w,
                    h: b.h,
                    box_source: "phantom".into(),
                });
            }
        }
    }

    fn row(
        &self,
        p: &Planned,
        path: &str,
        view: &str,
        split: &str,
        masks: &[MaskTruth],
        sha256: String,
    ) -> Row {
        let patient = &self.scene.thorax.patient;
        let mut labels: Vec<&str> = Vec::new();
        for label in self
            .visit
            .findings
            .iter()
            .filter(|f| f.kind != Kind::SternalWires || view != "L")
            .map(|f| f.kind.label())
        {
            if !labels.contains(&label) {
                labels.push(label);
            }
        }
        let healthy = self.visit.findings.iter().all(|f| f.kind.is_device());
        if healthy {
            labels.insert(0, "No Finding");
        }
        let size = self.settings.size;
        let prior = p.study.checked_sub(1).map(|study| {
            format!(
                ";prior={}",
                study_name(self.settings, &Planned { study, ..*p })
            )
        });
        Row {
            path: path.to_owned(),
            set: "phantom".into(),
            split: split.into(),
            patient_id: patient_name(self.settings, p.patient),
            view: view.into(),
            labels: labels.join("|"),
            label_source: "construction".into(),
            mask_path: masks
                .iter()
                .map(|m| format!("{}={}", m.name, m.path))
                .collect::<Vec<_>>()
                .join(";"),
            width: size,
            height: size,
            orig_width: size,
            orig_height: size,
            sex: format!("{:?}", patient.sex),
            age: patient.age + self.visit.day / 365,
            source: "hilum phantom".into(),
            original_filename: String::new(),
            licence: LICENCE.into(),
            sha256,
            notes: format!(
                "phantom;study={};day={}{}",
                self.name,
                self.visit.day,
                prior.unwrap_or_default()
            ),
        }
    }
}

/// Puts the parts together. The manifest is there twice: where scripts expect it, and where the layout of data roots does.
fn assemble(folder: &Path, settings: &Settings, plan: &[Planned]) -> Result<usize, PhantomError> {
    let manifest = folder.join("manifest.csv");
    let refused = |path: &Path, reason: String| PhantomError::Write {
        path: path.to_owned(),
        reason,
    };
    let mut rows = csv::Writer::from_writer(Vec::new());
    let mut boxes = csv::Writer::from_writer(Vec::new());
    let (mut reports, mut truths, mut images) = (Vec::new(), Vec::new(), 0);
    for p in plan {
        let path = part_path(folder, settings, p);
        let part = read_part(&path)
            .ok_or_else(|| refused(&path, "was damaged while the set was made".into()))?;
        for row in &part.rows {
            rows.serialize(row)
                .map_err(|e| refused(&manifest, e.to_string()))?;
            images += 1;
        }
        for row in &part.boxes {
            boxes
                .serialize(row)
                .map_err(|e| refused(&manifest, e.to_string()))?;
        }
        line(&mut reports, &part.report, &path)?;
        line(&mut truths, &part.truth, &path)?;
    }
    let rows = rows
        .into_inner()
        .map_err(|e| refused(&manifest, e.to_string()))?;
    let mut boxes = boxes
        .into_inner()
        .map_err(|e| refused(&manifest, e.to_string()))?;
    if boxes.is_empty() {
        boxes = b"path,split,label,x,y,w,h,box_source\n".to_vec();
    }
    write_bytes(&folder.join("manifests/phantom.csv"), &rows)?;
    write_bytes(&folder.join("manifests/phantom_boxes.csv"), &boxes)?;
    write_bytes(&folder.join("manifest_boxes.csv"), &boxes)?;
    write_bytes(&folder.join("reports.jsonl"), &reports)?;
    write_bytes(&folder.join("truth.jsonl"), &truths)?;
    write_bytes(&manifest, &rows)?;
    Ok(images)
}

fn line<T: Serialize>(out: &mut Vec<u8>, value: &T, path: &Path) -> Result<(), PhantomError> {
    serde_json::to_writer(&mut *out, value).map_err(|e| PhantomError::Write {
        path: path.to_owned(),
        reason: e.to_string(),
    })?;
    out.push(b'\n');
    Ok(())
}
