//! Reads one study: every image is loaded, gated, segmented, classified and measured; then the study is put
//! together.

use crate::collect::{Study, content_id};
use crate::error::{PipelineError, Result};
use crate::explain::{self, Explained};
use crate::films::{self, Film};
use crate::findings::{self, Beside, Heat};
use crate::gate::{self, Verdict};
use crate::index::Search;
use crate::measure;
use crate::merge;
use crate::own::Calibration;
use crate::store::{Model, Store};
use crate::uncertainty;
use crate::zones::Zones;
use hilum_core::{
    AgeGroup, FailedPath, Finding, ImageRecord, Measurement, ModelRef, PredictionSet, Provenance,
    Reading, Similar, StudyInfo,
};
use hilum_dicom::{Limits, LoadedImage, load_frame};
use hilum_explain::Method;
use hilum_image::chest::Cardiothoracic;
use hilum_image::{Mask, Recipe, guard};
use hilum_kernels::Tensor;
use hilum_methods::serve::{Classifier, NetClassifier, Segmenter};
use hilum_nn::InputContract;
use hilum_nn::contract::Prepared;
use hilum_reading::html::{ImageLayers, PageInput, render};
use hilum_reading::{Artefacts, ImageMasks, MapFile, folder_name, write_reading};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Reads studies with the models of a store.
#[derive(Debug)]
pub struct Reader {
    store: Store,
    recipe: Recipe,
    limits: Limits,
    films: bool,
    extras: Extras,
}

/// What a reading says beyond findings and measurements, each only when asked for.
#[derive(Debug, Default)]
pub struct Extras {
    /// An attribution beside the class activation maps, each judged by deletion and insertion.
    pub explain: Option<Method>,
    /// The user's own calibration.
    pub calibration: Option<Calibration>,
    /// Known cases that look alike.
    pub similar: Option<Search>,
    /// Whether shifted and scaled copies of each image are read too, for the spread of the answers.
    pub augment: bool,
}

/// What became of one study.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// The reading; null when no file could be read.
    pub reading: Option<Reading>,
    /// Files that could not be read.
    pub failed: Vec<FailedPath>,
    films: Vec<Film>,
    thumbnails: Thumbnails,
}

/// One image of a study, analysed.
#[derive(Debug)]
pub(crate) struct ImageResult {
    pub(crate) record: ImageRecord,
    pub(crate) study: StudyInfo,
    pub(crate) verdict: Verdict,
    pub(crate) findings: Vec<Finding>,
    pub(crate) measurements: Vec<Measurement>,
    pub(crate) models: Vec<ModelRef>,
    pub(crate) film: Option<Film>,
    pub(crate) similar: Option<(Similar, Vec<Option<Vec<u8>>>)>,
}

/// PNGs of the similar cases, as the reading lists them.
pub(crate) type Thumbnails = Vec<Vec<Option<Vec<u8>>>>;

impl Reader {
    /// A reader; `films` says whether masks, pictures and maps are kept for [`Outcome::write`].
    pub fn new(store: Store, recipe: Recipe, limits: Limits, films: bool) -> Self {
        Reader {
            store,
            recipe,
            limits,
            films,
            extras: Extras::default(),
        }
    }

    /// The same reader with more to say.
    pub fn with(mut self, extras: Extras) -> Self {
        self.extras = extras;
        self
    }

    /// Builds every network that will be asked for (see [`Store::build_all`]).
    pub fn build_all(&self) {
        self.store.build_all();
        if self.extras.explain.is_some() {
            for model in self.store.classifiers_of_all_ages() {
                // What goes wrong is kept and told when the model is asked for.
                let _ = model.explainer().map(drop);
            }
        }
    }

    /// The models.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Reads a study. Files that fail are listed and the others read; a defect of the program that shows on
    /// one file is such a failure too.
    pub fn read(&self, study: &Study) -> Outcome {
        let start = Instant::now();
        let mut outcome = Outcome::default();
        let mut images: Vec<ImageResult> = Vec::new();
        for path in &study.files {
            let at = images.len();
            let result = guard::catch(|| self.image(path, at)).unwrap_or_else(|reason| {
                Err(PipelineError::Internal {
                    path: path.clone(),
                    reason,
                })
            });
            match result {
                Ok(image) => images.push(image),
                Err(error) => outcome.failed.push(error.failed(path)),
            }
        }
        if images.is_empty() {
            return outcome;
        }
        outcome.films = images.iter_mut().filter_map(|i| i.film.take()).collect();
        let mut similar = Vec::new();
        for (found, thumbnails) in images.iter_mut().filter_map(|i| i.similar.take()) {
            similar.push(found);
            outcome.thumbnails.push(thumbnails);
        }
        let mut reading = merge::study(&self.store, images, self.provenance());
        reading.similar = similar;
        reading.provenance.elapsed_ms =
            u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
        outcome.reading = Some(reading);
        outcome
    }

    fn provenance(&self) -> Provenance {
        Provenance {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            models: Vec::new(),
            recipe: self.recipe.name().to_owned(),
            engine: format!("hilum-kernels, {:?}", hilum_kernels::simd::level()).to_lowercase(),
            calibration: self
                .extras
                .calibration
                .as_ref()
                .map(|c| c.reference().clone()),
            index: self.extras.similar.as_ref().map(|s| s.reference().clone()),
            elapsed_ms: 0,
        }
    }

    fn image(&self, path: &Path, index: usize) -> Result<ImageResult> {
        let mut loaded = load_frame(path, self.recipe, 0, &self.limits)?;
        let mut work = Work::new(self, path, index, gate::of_file(&loaded));
        if work.verdict.passes() {
            work.gate(&mut loaded)?;
        }
        let mut masks = None;
        if work.verdict.passes() {
            masks = work.segment(&loaded)?;
        }
        if work.verdict.passes() {
            work.analyse(&loaded, masks.as_ref())?;
        }
        if work.verdict.passes() {
            work.look_alikes(&loaded, masks.as_ref())?;
        }
        let film = match self.films {
            true => Some(films::film(
                path,
                &loaded,
                masks.as_ref(),
                &work.heats,
                &work.explained,
            )?),
            false => None,
        };
        Ok(work.finish(&loaded, film))
    }
}

/// Masks of one image at its stored size.
#[derive(Debug)]
pub(crate) struct Masks {
    pub(crate) lungs: Mask,
    pub(crate) heart: Option<Mask>,
    /// Widths of heart and thorax; null without a heart.
    pub(crate) widths: Option<Cardiothoracic>,
    /// Whether the heart was cut free from branches.
    pub(crate) trimmed: bool,
}

impl Masks {
    /// The heart, unless its outline went astray (see [`measure::believable`]).
    pub(crate) fn shown_heart(&self) -> Option<&Mask> {
        let heart = self.heart.as_ref()?;
        let found = self.widths.as_ref()?;
        measure::believable(found).then_some(heart)
    }
}

/// An image under way.
struct Work<'a> {
    store: &'a Store,
    extras: &'a Extras,
    path: &'a Path,
    index: usize,
    verdict: Verdict,
    findings: Vec<Finding>,
    heats: Vec<Heat>,
    explained: Vec<Explained>,
    measurements: Vec<Measurement>,
    models: Vec<ModelRef>,
    similar: Option<(Similar, Vec<Option<Vec<u8>>>)>,
}

impl<'a> Work<'a> {
    fn new(reader: &'a Reader, path: &'a Path, index: usize, verdict: Verdict) -> Self {
        Work {
            store: &reader.store,
            extras: &reader.extras,
            path,
            index,
            verdict,
            findings: Vec::new(),
            heats: Vec::new(),
            explained: Vec::new(),
            measurements: Vec::new(),
            models: Vec::new(),
            similar: None,
        }
    }

    fn network(&self, model: &Model, source: hilum_methods::MethodError) -> PipelineError {
        PipelineError::Network {
            path: self.path.to_owned(),
            model: model.name.clone(),
            source,
        }
    }

    fn gate(&mut self, loaded: &mut LoadedImage) -> Result<()> {
        let Some(model) = self.store.gate() else {
            let text = "There is no gate model: view, polarity and content were not checked beyond the file's tags.";
            self.verdict.caution("no_gate", text, None);
            return Ok(());
        };
        self.models.push(model.reference());
        if let Some(turned) = gate::of_network(self.path, model, &loaded.pixels, &mut self.verdict)?
        {
            loaded.pixels = turned;
            loaded.steps.push("inverted by the gate".to_owned());
        }
        Ok(())
    }

    fn segment(&mut self, loaded: &LoadedImage) -> Result<Option<Masks>> {
        let Some(model) = self.store.segmenter() else {
            return Ok(None);
        };
        self.models.push(model.reference());
        let segmenter = model.segmenter()?;
        let found = segmenter
            .segment(&loaded.pixels)
            .map_err(|e| self.network(model, e))?;
        let mut masks: Vec<Option<Mask>> = found.masks.into_iter().map(Some).collect();
        let mut take = |name: &str| segmenter.index(name).and_then(|i| masks.get_mut(i)?.take());
        let (Some(lungs), heart) = (take("lungs"), take("heart")) else {
            return Ok(None);
        };
        gate::of_lungs(&lungs, &mut self.verdict);
        let outlined = heart.map(|heart| measure::heart(&lungs, heart));
        let outlined = outlined
            .transpose()
            .map_err(|source| PipelineError::Image {
                path: self.path.to_owned(),
                source,
            })?;
        let (heart, widths, trimmed) = match outlined {
            Some(found) => (Some(found.mask), found.widths, found.trimmed),
            None => (None, None, false),
        };
        Ok(Some(Masks {
            lungs,
            heart,
            widths,
            trimmed,
        }))
    }

    fn analyse(&mut self, loaded: &LoadedImage, masks: Option<&Masks>) -> Result<()> {
        let zones = masks.and_then(|m| Zones::of(&m.lungs));
        for model in self.store.classifiers(self.verdict.age) {
            self.classify(model, loaded, masks, zones.as_ref())?;
        }
        if !self.verdict.passes() {
            // A classifier found the image too unlike what it was trained on.
            self.findings.clear();
            self.heats.clear();
            self.explained.clear();
            return Ok(());
        }
        if let (Some(masks), Some(model)) = (masks, self.store.segmenter()) {
            let spacing = loaded.meta.as_ref().and_then(|m| m.spacing.as_ref());
            self.measurements = measure::widths(model, masks, spacing, self.index);
        }
        let size = (loaded.width, loaded.height);
        self.measurements.extend(measure::opacity(
            &self.findings,
            &self.heats,
            zones.as_ref(),
            size,
        ));
        Ok(())
    }

    fn classify(
        &mut self,
        model: &Model,
        loaded: &LoadedImage,
        masks: Option<&Masks>,
        zones: Option<&Zones>,
    ) -> Result<()> {
        let lungs = masks.map(|m| &m.lungs);
        let classifier = model.classifier()?;
        if classifier.contract().needs_lungs() && lungs.is_none() {
            return Ok(());
        }
        self.models.push(model.reference());
        let contract = classifier.contract();
        let prepared = contract
            .prepare(&loaded.pixels, lungs)
            .map_err(|e| self.network(model, e.into()))?;
        let scores = classifier
            .score_prepared(&prepared)
            .map_err(|e| self.network(model, e))?;
        if let Some(ood) = &model.description.card.ood {
            gate::distance(ood, &scores.embedding, &model.name, &mut self.verdict);
        }
        let copies = match self.extras.augment {
            true => self.copies(model, classifier, &prepared)?,
            false => Vec::new(),
        };
        let beside = Beside {
            calibration: self.extras.calibration.as_ref(),
            copies: &copies,
        };
        let (findings, heats) = findings::of_scores(model, &scores, self.index, zones, &beside);
        for finding in findings {
            merge::prefer_assessed(&mut self.findings, finding);
        }
        let answered = |h: &Heat| {
            self.findings
                .iter()
                .any(|f| f.code == h.code && f.model.as_ref() == Some(&model.name))
        };
        let kept: Vec<Heat> = heats.into_iter().filter(answered).collect();
        self.explain(model, contract, &prepared, &kept)?;
        self.heats.extend(kept);
        Ok(())
    }

    /// Logits of shifted and scaled copies.
    fn copies(
        &self,
        model: &Model,
        classifier: &NetClassifier,
        prepared: &Prepared,
    ) -> Result<Vec<Vec<f64>>> {
        uncertainty::copies(&prepared.plane)
            .into_iter()
            .map(|plane| {
                let picture = Prepared {
                    plane,
                    crop: prepared.crop,
                };
                let scores = classifier.score_prepared(&picture);
                Ok(scores.map_err(|e| self.network(model, e))?.logits)
            })
            .collect()
    }

    /// Maps of the findings worth explaining, when they were asked for.
    fn explain(
        &mut self,
        model: &Model,
        contract: &InputContract,
        prepared: &Prepared,
        heats: &[Heat],
    ) -> Result<()> {
        let Some(method) = self.extras.explain else {
            return Ok(());
        };
        let shown = explain::Shown {
            path: self.path,
            image: self.index,
            input: Tensor {
                shape: vec![1, 1, contract.height, contract.width],
                data: contract.values(&prepared.plane),
            },
            crop: prepared.crop,
        };
        let outputs = &model.description.card.outputs;
        for heat in self.worth_explaining(heats) {
            let Some(output) = outputs.iter().position(|o| o.code == heat.code) else {
                continue;
            };
            let maps = explain::of_output(model, &shown, output, method, heat)?;
            if let Some(finding) = self.findings.iter_mut().find(|f| f.code == heat.code) {
                finding
                    .explanations
                    .extend(maps.iter().map(|m| m.explanation.clone()));
            }
            self.explained.extend(maps);
        }
        Ok(())
    }

    /// Maps of findings that are present or likelier than not, else of the likeliest alone: each costs seconds.
    fn worth_explaining<'h>(&self, heats: &'h [Heat]) -> Vec<&'h Heat> {
        let finding = |heat: &Heat| self.findings.iter().find(|f| f.code == heat.code);
        let likely = |heat: &Heat| finding(heat).and_then(|f| f.probability).unwrap_or(0.0);
        let present = |heat: &Heat| {
            finding(heat).is_some_and(|f| f.set == Some(PredictionSet::Present))
                || likely(heat) >= 0.5
        };
        let found: Vec<&Heat> = heats.iter().filter(|h| present(h)).collect();
        match found.is_empty() {
            true => heats
                .iter()
                .max_by(|a, b| likely(a).total_cmp(&likely(b)))
                .into_iter()
                .collect(),
            false => found,
        }
    }

    /// Known cases that look like this image.
    fn look_alikes(&mut self, loaded: &LoadedImage, masks: Option<&Masks>) -> Result<()> {
        let Some(search) = &self.extras.similar else {
            return Ok(());
        };
        let lungs = masks.map(|m| &m.lungs);
        let age = self.verdict.age;
        self.similar =
            Some(search.of_image(self.store, self.path, self.index, age, loaded, lungs)?);
        Ok(())
    }

    fn finish(self, loaded: &LoadedImage, film: Option<Film>) -> ImageResult {
        let meta = loaded.meta.as_ref();
        let study = StudyInfo {
            id: meta
                .and_then(|m| m.study_uid.clone())
                .unwrap_or_else(|| content_id(&loaded.sha256)),
            patient: meta.and_then(|m| m.patient_id.clone()),
            date: meta.and_then(|m| m.study_date.clone()),
        };
        let record = ImageRecord {
            path: self.path.to_string_lossy().into_owned(),
            sha256: loaded.sha256.clone(),
            width: u32::try_from(loaded.width).unwrap_or(u32::MAX),
            height: u32::try_from(loaded.height).unwrap_or(u32::MAX),
            view: self.verdict.view,
            view_source: self.verdict.view_source.to_owned(),
            laterality: meta.and_then(|m| m.laterality),
            spacing: meta.and_then(|m| m.spacing),
            inverted: self.verdict.inverted,
            age_group: self.verdict.age,
            masks: None,
        };
        ImageResult {
            record,
            study,
            verdict: self.verdict,
            findings: self.findings,
            measurements: self.measurements,
            models: self.models,
            film,
            similar: self.similar,
        }
    }
}

/// Why a finding that no model answered for this image is missing.
pub(crate) fn why_not(store: &Store, code: &str, age: Option<AgeGroup>) -> String {
    let group = match age {
        Some(AgeGroup::Paediatric) => "for children",
        Some(AgeGroup::Adult) => "for adults",
        None => "for a patient whose age group is not known",
    };
    if store.answers(code) {
        format!("no model {group} was shown to detect it")
    } else {
        "no model was shown to detect it".to_owned()
    }
}

impl Outcome {
    /// Writes the files of the study under `out` and sets the mask paths in the reading. `folder` is a name
    /// from [`hilum_reading::folder_names`]; without it the study's own name is taken.
    ///
    /// # Errors
    /// [`PipelineError::Reading`]; nothing is left half written.
    pub fn write(&mut self, out: &Path, folder: Option<&str>) -> Result<Option<PathBuf>> {
        let Some(reading) = &mut self.reading else {
            return Ok(None);
        };
        let folder = folder.map_or_else(|| folder_name(&reading.study.id), str::to_owned);
        let films = std::mem::take(&mut self.films);
        let thumbnails = std::mem::take(&mut self.thumbnails);
        let overlay = films::overlay(reading, &films)?;
        let (mut layers, mut masks): (Vec<ImageLayers>, Vec<ImageMasks>) = (Vec::new(), Vec::new());
        let mut maps = Vec::new();
        for (image, film) in films.into_iter().enumerate() {
            if film.lungs_png.is_some() || film.heart_png.is_some() {
                masks.push(ImageMasks {
                    image,
                    lungs_png: film.lungs_png,
                    heart_png: film.heart_png,
                });
            }
            maps.extend(
                film.maps_png
                    .into_iter()
                    .map(|(code, method, png)| MapFile {
                        image,
                        code,
                        method,
                        png,
                    }),
            );
            layers.push(film.layers);
        }
        let page = render(&PageInput {
            reading,
            layers: &layers,
            thumbnails: &thumbnails,
        })?;
        let artefacts = Artefacts {
            report_html: Some(page),
            overlay_png: overlay,
            masks,
            maps,
        };
        Ok(Some(write_reading(out, &folder, reading, &artefacts)?))
    }
}
