//! Pictures with a view and grades: what every part of the study learns from.

use super::config::Config;
use super::published::{self, Frame, TOP};
use super::quality::{self, exposed, of_exposure};
use crate::blocks::classes::{ClassSet, patient};
use crate::blocks::pictures::{Lungs, load_pictures};
use crate::blocks::regions::spread_evenly;
use crate::context::Context;
use crate::error::{MethodError, Result};
use hilum_core::View;
use hilum_data::{Sample, Split};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// Where pictures come from; one never stands in another's row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// Rendered thoraxes whose pose and breath are known.
    Phantom,
    /// Real films, exposed wrongly on purpose.
    Films,
    /// The published set, where it is at hand.
    Cactus,
}

impl Source {
    /// Name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Source::Phantom => "phantom",
            Source::Films => "real films, exposure made wrong",
            Source::Cactus => "CACTUS",
        }
    }

    /// Name in files.
    pub fn stem(self) -> &'static str {
        match self {
            Source::Phantom => "phantom",
            Source::Films => "films",
            Source::Cactus => "cactus",
        }
    }
}

/// Pictures with their view as class, and grades.
pub struct Graded {
    /// Where they come from.
    pub source: Source,
    /// Pictures; classes are views.
    pub set: ClassSet,
    /// Grades of each picture from 0 to 10, in the order of `criteria`.
    pub grades: Vec<Vec<f32>>,
    /// What is graded.
    pub criteria: Vec<String>,
    /// Names of the views. The last one comes later: it is not among what the encoder learns first.
    pub views: Vec<String>,
    /// Places of the pictures to learn from, and of those that are asked.
    pub split: [Vec<usize>; 2],
}

impl Graded {
    /// Nothing yet.
    pub fn new(source: Source, side: usize, views: Vec<String>, criteria: &[&str]) -> Self {
        Graded {
            source,
            set: ClassSet {
                side,
                classes: views.len(),
                ..ClassSet::default()
            },
            grades: Vec::new(),
            criteria: criteria.iter().map(|c| (*c).to_owned()).collect(),
            views,
            split: [Vec::new(), Vec::new()],
        }
    }

    /// One more picture.
    pub fn push(
        &mut self,
        x: Vec<f32>,
        view: usize,
        grades: Vec<f32>,
        patient: String,
        asked: bool,
    ) {
        self.split[usize::from(asked)].push(self.set.len());
        self.set.x.push(x);
        self.set.y.push(view);
        self.set.patients.push(patient);
        self.grades.push(grades);
    }

    /// The view that comes later.
    pub fn later(&self) -> usize {
        self.views.len() - 1
    }

    /// Places of one side of the split, those of the later view or those of the others.
    pub fn side(&self, asked: bool, later: bool) -> Vec<usize> {
        let own = self.split[usize::from(asked)].iter().copied();
        own.filter(|&i| (self.set.y[i] == self.later()) == later)
            .collect()
    }

    /// Fails when a view is missing on either side.
    ///
    /// # Errors
    /// [`MethodError::TooFew`].
    pub fn check(self) -> Result<Self> {
        for (places, what) in self.split.iter().zip(["training", "asked"]) {
            let what = format!("{}, {what} pictures", self.source.name());
            self.set.select(places).check_classes(&what)?;
        }
        Ok(self)
    }
}

/// Samples of the real sets that the study reads.
///
/// # Errors
/// Data that are not there.
pub fn film_samples(ctx: &Context<'_>) -> Result<Vec<Sample>> {
    ctx.samples("cactus", &["nih14", "vqa_rad", "mammo_mias"])
}

/// View of a film: PA, AP (both NIH), another body part; mammograms come later.
fn film_view(s: &Sample) -> Option<usize> {
    let word = s.raw_labels.first().map_or("", String::as_str);
    match (s.set.as_str(), s.view) {
        ("nih14", View::Pa) => Some(0),
        ("nih14", View::Ap) => Some(1),
        ("vqa_rad", _) => matches!(word, "HEAD" | "ABD").then_some(2),
        ("mammo_mias", _) => Some(3),
        _ => None,
    }
}

/// Real films, each exposed wrongly by a known number of stops.
///
/// # Errors
/// A film that cannot be read, a view that is missing.
pub fn films(ctx: &Context<'_>, config: &Config, samples: &[Sample]) -> Result<Graded> {
    let views = ["PA", "AP", "another body part", "mammogram"];
    let views: Vec<String> = views.iter().map(|v| (*v).to_owned()).collect();
    let mut chosen: Vec<Sample> = Vec::new();
    for view in 0..views.len() {
        for split in [Split::Train, Split::Test] {
            let own = samples
                .iter()
                .filter(|s| s.split == Some(split) && film_view(s) == Some(view));
            chosen.extend(spread_evenly(own.cloned().collect(), config.films));
        }
    }
    let contract = config.contract();
    let pictures = load_pictures(&chosen, &contract, Lungs::None, &[])?;
    let mut data = Graded::new(Source::Films, config.side, views, &["exposure"]);
    for (i, (s, picture)) in chosen.iter().zip(&pictures).enumerate() {
        let mut rng = ChaCha8Rng::seed_from_u64(ctx.seed);
        rng.set_stream(i as u64);
        let stops = rng.random_range(-quality::STOPS..quality::STOPS);
        let plane = exposed(&picture.plane, stops, ctx.seed ^ i as u64);
        // Every chosen film has a view: it was chosen by it.
        let view = film_view(s).unwrap_or(0);
        data.push(
            contract.values(&plane),
            view,
            vec![of_exposure(stops) as f32],
            patient(s),
            s.split == Some(Split::Test),
        );
    }
    data.check()
}

/// The published set.
///
/// # Errors
/// Fewer than three views, a view that is missing on a side, a frame that cannot be read.
pub fn cactus(config: &Config, frames: &[Frame]) -> Result<Graded> {
    let mut views: Vec<String> = frames.iter().map(|f| f.view.clone()).collect();
    views.sort();
    views.dedup();
    if views.len() < 3 {
        return Err(MethodError::TooFew {
            what: "views of the CACTUS set".to_owned(),
            found: views.len(),
            needed: 3,
        });
    }
    // The paper's extension adds PSMV to the other five.
    views.sort_by_key(|v| v == "PSMV");
    let contract = config.contract();
    let samples: Vec<Sample> = frames.iter().map(|f| f.sample.clone()).collect();
    let pictures = load_pictures(&samples, &contract, Lungs::None, &[])?;
    let mut data = Graded::new(Source::Cactus, config.side, views, &["quality"]);
    for (frame, picture) in frames.iter().zip(&pictures) {
        let view = data.views.iter().position(|v| *v == frame.view);
        data.push(
            contract.values(&picture.plane),
            view.unwrap_or(0),
            vec![(frame.grade * quality::BEST / TOP) as f32],
            patient(&frame.sample),
            frame.sample.split == Some(Split::Test),
        );
    }
    data.check()
}

/// Frames of the published set when it lies in the data folder, at `cactus/`.
///
/// # Errors
/// As [`published::load`].
pub fn frames(ctx: &Context<'_>) -> Result<Vec<Frame>> {
    let root = ctx.data.join("cactus");
    if published::is_there(&root) {
        published::load(&root)
    } else {
        Ok(Vec::new())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blocks::study::Settings;

    fn graded(views: &[usize]) -> Graded {
        let names = ["a", "b", "c"].map(str::to_owned).to_vec();
        let mut data = Graded::new(Source::Phantom, 2, names, &["x"]);
        for (i, &v) in views.iter().enumerate() {
            data.push(vec![0.0; 4], v, vec![5.0], format!("p{i}"), i % 2 == 1);
        }
        data
    }

    #[test]
    fn the_last_view_is_kept_apart_and_a_missing_one_is_named() {
        let data = graded(&[0, 0, 1, 1, 2, 2]).check().unwrap();
        assert_eq!(data.side(false, false), [0, 2]);
        assert_eq!(data.side(true, true), [5]);
        let told = graded(&[0, 0, 1, 1, 2, 1]).check().err().unwrap();
        assert!(
            told.to_string().contains("asked pictures, class 2"),
            "{told}"
        );
    }

    #[test]
    fn the_published_set_needs_three_views_and_keeps_psmv_for_later() {
        let dir = tempfile::tempdir().unwrap();
        published::made_up::write(dir.path(), 20);
        let frames = published::load(dir.path()).unwrap();
        let data = cactus(&Config::tiny(), &frames).unwrap();
        assert_eq!(data.views, ["A4C", "PL", "PSMV"]);
        assert_eq!(data.set.len(), 60);
        assert_eq!(data.grades[4], [4.0]);
        let few: Vec<Frame> = frames.into_iter().filter(|f| f.view == "PL").collect();
        assert!(matches!(
            cactus(&Config::tiny(), &few),
            Err(MethodError::TooFew { .. })
        ));
    }
}
