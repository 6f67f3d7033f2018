//! From measured studies to cases.

use crate::error::QuizError;
use crate::pictures::{Group, displaced, needed, too_close};
use crate::question::{Case, Choice, Key, Path, Question, Select, Stage};
use crate::random::{Choices, hash};
use crate::ranges::Ranges;
use crate::set::{CASES, KEY};
use crate::words;
use hilum_core::View;
use hilum_image::Gray;
use hilum_measure::{Index, MaskSet, Outcome, Structure, overlay};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// Pictures offered in the question for structures.
const PICTURES: usize = 4;
/// Criteria offered.
const CRITERIA: usize = 4;
/// Rules offered.
const RULES: usize = 4;

/// Settings of a set.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// Seed of all choices.
    pub seed: u64,
    /// Longest side of the pictures in pixels.
    pub side: usize,
    /// Tasks that are asked.
    pub tasks: Vec<Index>,
    /// Most cases of a task, at most half of them with one label; all when not given.
    pub per_task: Option<usize>,
}

impl Default for Plan {
    fn default() -> Self {
        Plan {
            seed: 1,
            side: 512,
            tasks: Index::ALL.to_vec(),
            per_task: None,
        }
    }
}

/// A study with what was measured on it.
#[derive(Debug, Clone)]
pub struct Study {
    /// Name.
    pub id: String,
    /// Projection.
    pub view: View,
    /// Display levels, 0 to 255.
    pub image: Gray,
    /// Its masks.
    pub set: MaskSet,
    /// What was measured.
    pub outcomes: Vec<Outcome>,
}

/// How a set came out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Cases by task.
    pub cases: BTreeMap<String, usize>,
    /// Questions.
    pub questions: usize,
    /// Why tasks of studies gave no case, with how often.
    pub left_out: BTreeMap<String, usize>,
}

/// A case whose pictures are written and whose questions can be asked in any order and path.
struct Ready {
    case: String,
    study: String,
    task: Index,
    view: View,
    image: String,
    outcome: Outcome,
    /// Pictures of structures: path and whether they are needed.
    structures: Vec<(String, bool)>,
    /// Pictures of marks: path and whether they are right.
    marks: Vec<(String, bool)>,
}

/// Makes a set, one study after the other.
pub struct Maker {
    folder: PathBuf,
    plan: Plan,
    ready: Vec<Ready>,
    studies: BTreeSet<String>,
    taken: BTreeMap<(Index, &'static str), usize>,
    left_out: BTreeMap<String, usize>,
}

impl Maker {
    /// Begins a set in a folder.
    ///
    /// # Errors
    /// [`QuizError::Taken`], [`QuizError::Io`], [`QuizError::Setting`].
    pub fn new(folder: &std::path::Path, plan: Plan) -> Result<Self, QuizError> {
        if !(128..=4096).contains(&plan.side) {
            return Err(QuizError::Setting {
                name: "side",
                value: plan.side.to_string(),
                range: "128 to 4096 pixels",
            });
        }
        if folder.join(CASES).exists() {
            return Err(QuizError::Taken {
                path: folder.to_owned(),
            });
        }
        for name in ["images", "pictures"] {
            let path = folder.join(name);
            std::fs::create_dir_all(&path).map_err(|e| QuizError::io(&path, e))?;
        }
        Ok(Maker {
            folder: folder.to_owned(),
            plan,
            ready: Vec::new(),
            studies: BTreeSet::new(),
            taken: BTreeMap::new(),
            left_out: BTreeMap::new(),
        })
    }

    /// Adds the cases of a study and writes their pictures.
    ///
    /// # Errors
    /// [`QuizError::Twice`], [`QuizError::Io`], [`QuizError::Measure`].
    pub fn add(&mut self, study: &Study) -> Result<(), QuizError> {
        if !self.studies.insert(study.id.clone()) {
            return Err(QuizError::Twice {
                study: study.id.clone(),
            });
        }
        let mut image = None;
        for task in self.plan.tasks.clone() {
            let Some(outcome) = study.outcomes.iter().find(|o| o.index == task) else {
                continue;
            };
            let Some(label) = outcome.label else {
                self.leave_out(task, outcome.reason.as_deref().unwrap_or("no label"));
                continue;
            };
            if needed(task).iter().any(|g| g.masks(&study.set).is_empty()) {
                self.leave_out(task, "a structure that would be asked for has no mask");
                continue;
            }
            if self.is_full(task, label) {
                continue;
            }
            let path = match &image {
                Some(path) => String::clone(path),
                None => image
                    .insert(self.picture(
                        "images",
                        &study.id,
                        &overlay::draw_plain(&study.image, &study.set, self.plan.side)?,
                    )?)
                    .clone(),
            };
            let Some(ready) = self.ready(study, outcome, path)? else {
                self.leave_out(task, "too few other structures have masks");
                continue;
            };
            *self.taken.entry((task, label)).or_default() += 1;
            self.ready.push(ready);
        }
        Ok(())
    }

    fn leave_out(&mut self, task: Index, why: &str) {
        let text = format!("{}: {why}", task.name());
        *self.left_out.entry(text).or_default() += 1;
    }

    fn is_full(&self, task: Index, label: &'static str) -> bool {
        let most = self.plan.per_task.map(|n| n.div_ceil(2));
        let held = self.taken.get(&(task, label)).copied().unwrap_or(0);
        most.is_some_and(|n| held >= n)
    }

    /// Writes a picture under a name that tells nothing about what it shows; gives its path within the set.
    fn picture(&self, under: &str, what: &str, bytes: &[u8]) -> Result<String, QuizError> {
        let name = format!(
            "{under}/{:016x}.png",
            hash(&format!("{} {under} {what}", self.plan.seed))
        );
        let path = self.folder.join(&name);
        std::fs::write(&path, bytes).map_err(|e| QuizError::io(&path, e))?;
        Ok(name)
    }

    fn ready(
        &self,
        study: &Study,
        outcome: &Outcome,
        image: String,
    ) -> Result<Option<Ready>, QuizError> {
        let task = outcome.index;
        let case = format!("{}:{}", study.id, task.name());
        let mut choices = Choices::new(self.plan.seed, &format!("pictures {case}"));
        let need = needed(task);
        let others: Vec<Group> = Group::ALL
            .into_iter()
            .filter(|g| !need.contains(g) && !too_close(task, *g))
            .filter(|g| !g.masks(&study.set).is_empty())
            .collect();
        if others.is_empty() {
            return Ok(None);
        }
        let others = choices.pick(others, PICTURES.saturating_sub(need.len()).max(1));
        let mut structures = Vec::new();
        for (group, wanted) in need
            .iter()
            .map(|g| (*g, true))
            .chain(others.into_iter().map(|g| (g, false)))
        {
            structures.push((self.group(study, group)?, wanted));
        }
        let draw = |o: &Outcome| overlay::draw_marks(&study.image, &study.set, o, self.plan.side);
        let mut marks = vec![(
            self.picture("pictures", &format!("{case} marks 0"), &draw(outcome)?)?,
            true,
        )];
        for (k, wrong) in displaced(outcome, &study.set, &mut choices)
            .iter()
            .enumerate()
        {
            let name = format!("{case} marks {}", k + 1);
            marks.push((self.picture("pictures", &name, &draw(wrong)?)?, false));
        }
        // The projection is what that task asks for.
        let view = match task {
            Index::Projection => View::Unknown,
            _ => study.view,
        };
        Ok(Some(Ready {
            case,
            study: study.id.clone(),
            task,
            view,
            image,
            outcome: outcome.clone(),
            structures,
            marks,
        }))
    }

    fn group(&self, study: &Study, group: Group) -> Result<String, QuizError> {
        let masks: Vec<Structure> = group.masks(&study.set);
        let what = format!("{} {}", study.id, group.name());
        let bytes = overlay::draw_masks(&study.image, &study.set, &masks, self.plan.side)?;
        self.picture("pictures", &what, &bytes)
    }

    /// Writes the questions and their key.
    ///
    /// # Errors
    /// [`QuizError::NoCases`], [`QuizError::Io`].
    pub fn finish(self) -> Result<Summary, QuizError> {
        if self.ready.is_empty() {
            let why: Vec<&str> = self.left_out.keys().map(String::as_str).collect();
            return Err(QuizError::NoCases {
                path: self.folder,
                reason: why.join("; "),
            });
        }
        let (mut cases, mut key) = (Vec::new(), Vec::new());
        let mut counts = BTreeMap::new();
        for (at, ready) in self.ready.iter().enumerate() {
            let review = self.next(at);
            let mut ask = Asking {
                seed: self.plan.seed,
                case: &ready.case,
                key: &mut key,
            };
            let case = Case {
                case: ready.case.clone(),
                study: ready.study.clone(),
                task: ready.task,
                view: ready.view,
                image: ready.image.clone(),
                direct: ask.path(ready, Path::Direct),
                guided: ask.path(ready, Path::Guided),
                review_case: review.map(|r| r.case.clone()),
                review: review.map_or(Vec::new(), |r| ask.path(r, Path::Review)),
            };
            *counts.entry(ready.task.name().to_owned()).or_default() += 1;
            cases.push(case);
        }
        let questions = key.len();
        write(&self.folder.join(KEY), &key)?;
        // Written last: a folder with questions is whole.
        write(&self.folder.join(CASES), &cases)?;
        Ok(Summary {
            cases: counts,
            questions,
            left_out: self.left_out,
        })
    }

    /// The next case of the same task, in a circle.
    fn next(&self, at: usize) -> Option<&Ready> {
        let same = |r: &&Ready| r.task == self.ready[at].task;
        let mut after = self.ready[at + 1..].iter().chain(&self.ready[..at]);
        after.find(same)
    }
}

fn write<T: Serialize>(path: &std::path::Path, rows: &[T]) -> Result<(), QuizError> {
    let mut text = String::new();
    for row in rows {
        let line = serde_json::to_string(row)
            .map_err(|e| QuizError::io(path, std::io::Error::other(e)))?;
        text.push_str(&line);
        text.push('\n');
    }
    std::fs::write(path, text).map_err(|e| QuizError::io(path, e))
}

/// What an option is and whether it is right.
struct Offer {
    text: Option<String>,
    image: Option<String>,
    right: bool,
    meaning: Option<&'static str>,
}

impl Offer {
    fn words(text: impl Into<String>, right: bool) -> Self {
        Offer {
            text: Some(text.into()),
            image: None,
            right,
            meaning: None,
        }
    }
}

/// One question before its options have letters.
struct Draft {
    stage: Stage,
    part: Option<&'static str>,
    text: String,
    select: Select,
    offers: Vec<Offer>,
    /// Stays last.
    last: Option<Offer>,
    unknown: bool,
    values: Vec<String>,
    ranges: Vec<[f64; 2]>,
}

impl Draft {
    fn new(stage: Stage, text: impl Into<String>, offers: Vec<Offer>) -> Self {
        Draft {
            stage,
            part: None,
            text: text.into(),
            select: Select::One,
            offers,
            last: None,
            unknown: false,
            values: Vec::new(),
            ranges: Vec::new(),
        }
    }

    fn none_of_these(mut self) -> Self {
        self.last = Some(Offer::words(words::NONE, false));
        self
    }
}

/// Asks the questions of one case and notes their key.
struct Asking<'a> {
    seed: u64,
    case: &'a str,
    key: &'a mut Vec<Key>,
}

impl Asking<'_> {
    /// All questions of a path, about `about`.
    fn path(&mut self, about: &Ready, path: Path) -> Vec<Question> {
        let guided = path == Path::Guided;
        let mut drafts = Vec::new();
        if !guided {
            drafts.push(initial(about));
            drafts.push(criterion(about, self.seed));
            drafts.extend(refined(about, self.seed));
        }
        drafts.push(structures(about));
        drafts.push(landmarks(about));
        let (measurements, ranges) = measurement(about, self.seed, path);
        drafts.extend(measurements);
        drafts.push(last(about, ranges));
        drafts
            .into_iter()
            .map(|d| self.lettered(d, about, path))
            .collect()
    }

    fn lettered(&mut self, mut draft: Draft, about: &Ready, path: Path) -> Question {
        let part = draft.part.map_or(String::new(), |p| format!(".{p}"));
        let id = format!("{}/{}/{}{part}", self.case, path.name(), draft.stage.name());
        // Yes and No stay where they are; everything else is shuffled.
        if !matches!(draft.stage, Stage::Initial | Stage::Final) {
            Choices::new(self.seed, &id).shuffle(&mut draft.offers);
        }
        draft.offers.extend(draft.last.take());
        let (mut options, mut right, mut letters) = (Vec::new(), Vec::new(), Vec::new());
        let mut meanings = BTreeMap::new();
        for (letter, offer) in ('A'..='Z').zip(draft.offers) {
            letters.push(letter);
            if offer.right {
                right.push(letter);
            }
            if let Some(meaning) = offer.meaning {
                meanings.insert(letter, meaning.to_owned());
            }
            options.push(Choice {
                letter,
                text: offer.text,
                image: offer.image,
            });
        }
        let accepts = match draft.select {
            Select::One => right.into_iter().map(|l| vec![l]).collect(),
            Select::All => vec![right],
        };
        self.key.push(Key {
            id: id.clone(),
            case: self.case.to_owned(),
            task: about.task,
            path,
            stage: draft.stage,
            accepts,
            unknown: draft.unknown.then(|| letters.last().copied()).flatten(),
            letters,
            select: draft.select,
            meanings,
            ranges: draft.ranges,
        });
        let mut images = vec![about.image.clone()];
        let teach = (path == Path::Guided).then(|| taught(about, draft.stage, draft.part));
        if let Some((_, picture)) = &teach {
            images.extend(picture.clone());
        }
        Question {
            id,
            stage: draft.stage,
            part: draft.part.map(str::to_owned),
            teach: teach.map(|t| t.0),
            images,
            text: draft.text,
            select: draft.select,
            options,
            values: draft.values,
        }
    }
}

fn labelled(about: &Ready) -> Vec<Offer> {
    let (labels, said) = (about.task.labels(), words::answers(about.task));
    let offer = |k: usize| Offer {
        meaning: Some(labels[k]),
        ..Offer::words(said[k], about.outcome.accepted.contains(&labels[k]))
    };
    // "Yes" before "No", and the task's own order for the others.
    if said[1] == "Yes" {
        vec![offer(1), offer(0)]
    } else {
        vec![offer(0), offer(1)]
    }
}

fn initial(about: &Ready) -> Draft {
    let mut draft = Draft::new(Stage::Initial, words::decision(about.task), labelled(about));
    draft.last = Some(Offer::words(words::UNKNOWN, false));
    draft.unknown = true;
    draft
}

fn criterion(about: &Ready, seed: u64) -> Draft {
    let mut choices = Choices::new(seed, &format!("criteria {}", about.case));
    let others: Vec<Index> = Index::ALL
        .into_iter()
        .filter(|i| *i != about.task)
        .collect();
    let mut offers = vec![Offer::words(words::criterion(about.task), true)];
    for other in choices.pick(others, CRITERIA - 1) {
        offers.push(Offer::words(words::criterion(other), false));
    }
    Draft::new(Stage::Criterion, "What decides this?", offers).none_of_these()
}

fn refined(about: &Ready, seed: u64) -> Option<Draft> {
    let (right, wrong) = words::rules(about.task, about.view)?;
    let mut choices = Choices::new(seed, &format!("rules {}", about.case));
    let mut offers = vec![Offer::words(right, true)];
    for rule in choices.pick(wrong, RULES - 1) {
        offers.push(Offer::words(rule, false));
    }
    let text = match about.view {
        View::Pa => "By which rule? The image is a PA projection.",
        View::Ap => "By which rule? The image is an AP projection.",
        _ => "By which rule?",
    };
    Some(Draft::new(Stage::RefinedCriterion, text, offers))
}

fn pictured(pictures: &[(String, bool)]) -> Vec<Offer> {
    let offer = |(path, right): &(String, bool)| Offer {
        text: None,
        image: Some(path.clone()),
        right: *right,
        meaning: None,
    };
    pictures.iter().map(offer).collect()
}

fn structures(about: &Ready) -> Draft {
    let text = "Which pictures show structures that are needed for the measurement? Choose all that apply.";
    Draft {
        part: Some("structures"),
        select: Select::All,
        ..Draft::new(Stage::BodyPart, text, pictured(&about.structures)).none_of_these()
    }
}

fn landmarks(about: &Ready) -> Draft {
    let text = "Which picture marks the places where it is measured?";
    Draft {
        part: Some("landmarks"),
        ..Draft::new(Stage::BodyPart, text, pictured(&about.marks)).none_of_these()
    }
}

/// The questions of the measurement stage, and the ranges of the numbers that the last question asks for.
fn measurement(about: &Ready, seed: u64, path: Path) -> (Vec<Draft>, Vec<[f64; 2]>) {
    let value = about.outcome.value.unwrap_or(f64::NAN);
    let text = words::measured(about.task);
    let one = |offers| Draft::new(Stage::Measurement, text, offers);
    match about.task {
        Index::TracheaDeviation => (vec![one(trachea(about, value))], Vec::new()),
        Index::Inclusion | Index::Inspiration => (vec![one(counts(about, value))], Vec::new()),
        Index::Projection => {
            let sides = ["right", "left"].map(|side| {
                let share = about.outcome.quantity(side).unwrap_or(f64::NAN);
                let (mut draft, range) = ranged(about, share, side, seed, path);
                draft.part = Some(side);
                draft.text = format!("In which range does the share of the {side} scapula lie?");
                (draft, range)
            });
            sides.into_iter().unzip()
        }
        _ => {
            let (draft, range) = ranged(about, value, "", seed, path);
            // How much lies beyond a line is seen rather than measured.
            let asked = about.task != Index::AscendingAorta;
            (vec![draft], if asked { vec![range] } else { Vec::new() })
        }
    }
}

fn ranged(about: &Ready, value: f64, part: &str, seed: u64, path: Path) -> (Draft, [f64; 2]) {
    let what = format!("ranges {} {part} {}", about.case, path.name());
    let ranges = Ranges::around(about.task, value, &mut Choices::new(seed, &what));
    let unit = match about.task {
        Index::CarinaAngle => "degrees",
        _ => "",
    };
    let offers = (0..ranges.all.len())
        .map(|k| Offer::words(ranges.words(k, unit), k == ranges.right))
        .collect();
    let draft = Draft::new(Stage::Measurement, words::measured(about.task), offers);
    (draft, ranges.all[ranges.right])
}

fn trachea(about: &Ready, value: f64) -> Vec<Offer> {
    let place = |v: f64| match v {
        v if v < -1.0 => 0,
        v if v > 1.0 => 2,
        _ => 1,
    };
    // In the band the place on the other side of the limit counts too.
    let reach = if about.outcome.in_band {
        Index::TracheaDeviation.tolerance()
    } else {
        0.0
    };
    let right = [place(value - reach), place(value), place(value + reach)];
    let offer = |k: usize| Offer::words(words::TRACHEA[k], right.contains(&k));
    (0..3).map(offer).collect()
}

fn counts(about: &Ready, value: f64) -> Vec<Offer> {
    let (most, limit) = match about.task {
        Index::Inclusion => (6, 6),
        _ => (12, 9),
    };
    let value = value as i64;
    let other = if value >= limit { limit - 1 } else { limit };
    let right = |n: i64| n == value || (about.outcome.in_band && n == other);
    let low = (value - 2).clamp(0, most - 3);
    (low..low + 4)
        .map(|n| Offer::words(n.to_string(), right(n)))
        .collect()
}

fn last(about: &Ready, ranges: Vec<[f64; 2]>) -> Draft {
    let values = match (ranges.len(), about.task) {
        (0, _) => Vec::new(),
        (_, Index::Projection) => vec!["right".to_owned(), "left".to_owned()],
        _ => vec!["value".to_owned()],
    };
    let text = match values.len() {
        0 => format!("By what was measured: {}", words::decision(about.task)),
        1 => format!(
            "By what was measured: {} Give the value too.",
            words::decision(about.task)
        ),
        _ => format!(
            "By what was measured: {} Give the share of both sides too.",
            words::decision(about.task)
        ),
    };
    Draft {
        values,
        ranges,
        ..Draft::new(Stage::Final, text, labelled(about))
    }
}

/// What the guided path tells before a question, with a picture of it.
fn taught(about: &Ready, stage: Stage, part: Option<&str>) -> (String, Option<String>) {
    let rule = words::rules(about.task, about.view).map_or(String::new(), |r| format!(" {}.", r.0));
    let marks = about.marks.first().map(|m| m.0.clone());
    match (stage, part) {
        (Stage::BodyPart, Some("structures")) => {
            let names: Vec<&str> = needed(about.task).iter().map(|g| g.name()).collect();
            let text = format!(
                "What decides: {}.{rule} It is read from: {}.",
                words::criterion(about.task),
                names.join(", ")
            );
            (text, None)
        }
        (Stage::Measurement, _) => (words::how(about.task).to_owned(), marks),
        (Stage::BodyPart, _) => (words::how(about.task).to_owned(), None),
        _ => (format!("{}.{rule}", words::criterion(about.task)), marks),
    }
}
