//! Pictures of five domains with what is said of them: labels put into words by templates, and reports.

use super::config::Config;
use crate::blocks::classes::{ClassSet, patient};
use crate::blocks::pictures::{Lungs, load_pictures};
use crate::blocks::thoraxes::first_visit;
use crate::context::Context;
use crate::error::{MethodError, Result};
use hilum_core::Sex;
use hilum_data::{Sample, Split, Vocabulary};
use hilum_image::Plane;
use hilum_nn::InputContract;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A kind of picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Domain {
    /// Chest radiographs of adults, NIH ChestX-ray14 in two resolutions.
    Adult,
    /// Chest radiographs of children.
    Child,
    /// Slices of chest CTs.
    Ct,
    /// Mammograms.
    Mammogram,
    /// Generated chest radiographs with reports.
    Phantom,
}

impl Domain {
    /// All of them; that of the main figures first.
    pub const ALL: [Domain; 5] = [
        Domain::Adult,
        Domain::Child,
        Domain::Ct,
        Domain::Mammogram,
        Domain::Phantom,
    ];

    /// Name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Domain::Adult => "adults",
            Domain::Child => "children",
            Domain::Ct => "CT slices",
            Domain::Mammogram => "mammograms",
            Domain::Phantom => "phantoms",
        }
    }

    /// How texts call a picture.
    fn words(self) -> &'static str {
        match self {
            Domain::Adult => "chest radiograph of an adult",
            Domain::Child => "chest radiograph of a child",
            Domain::Ct => "chest ct slice",
            Domain::Mammogram => "mammogram",
            Domain::Phantom => "simulated chest radiograph",
        }
    }

    fn sets(self) -> &'static [&'static str] {
        match self {
            Domain::Adult => &["nih14", "nih14_64px"],
            Domain::Child => &["kermany_paediatric"],
            Domain::Ct => &["ct_iqoth"],
            Domain::Mammogram => &["mammo_mias"],
            Domain::Phantom => &[],
        }
    }

    /// The question that is asked of a domain as a whole.
    pub fn question(self) -> &'static str {
        match self {
            Domain::Adult => "any finding",
            Domain::Child => "pneumonia",
            Domain::Ct => "malignant",
            Domain::Mammogram => "dense-glandular",
            Domain::Phantom => "effusion",
        }
    }

    fn answer(self, terms: &[String]) -> bool {
        let has = |word: &str| terms.iter().any(|t| t == word);
        match self {
            Domain::Adult => !has(NOTHING),
            Domain::Child => !has("normal"),
            other => has(other.question()),
        }
    }
}

/// The term of a film without findings.
const NOTHING: &str = "no finding";

/// One picture.
#[derive(Debug, Clone)]
pub struct Film {
    /// Name.
    pub id: String,
    /// Domain.
    pub domain: Domain,
    /// Set, for films of one domain from several.
    pub set: String,
    /// Split.
    pub split: Split,
    /// Patient.
    pub patient: String,
    /// Sex: true for women.
    pub female: Option<bool>,
    /// Age in years.
    pub age: Option<f32>,
    /// What is on it, in words.
    pub terms: Vec<String>,
    /// The impression of the report, where there is one.
    pub report: Option<String>,
    /// Its findings section.
    pub written: Option<String>,
    /// The codes of [`findings`] in order; of adults only.
    pub findings: Vec<bool>,
    /// The domain's question.
    pub answer: bool,
    /// Grey levels in network size.
    pub plane: Plane<u8>,
}

impl Film {
    /// Pairs with one key are each other's positives: the same report, or the same labels in the same domain.
    fn key(&self) -> String {
        match &self.report {
            Some(text) => text.clone(),
            None => format!("{}: {}", self.domain.name(), self.terms.join(", ")),
        }
    }

    /// What is said of the film; `variant` chooses among the ways to say it.
    pub fn text(&self, variant: u64) -> String {
        match &self.report {
            Some(text) => text.clone(),
            None => sentence(self.domain, &self.terms.join(", "), variant),
        }
    }
}

/// How many ways there are to say it.
pub const VARIANTS: u64 = 3;

/// A template filled in.
pub fn sentence(domain: Domain, terms: &str, variant: u64) -> String {
    let picture = domain.words();
    match variant % VARIANTS {
        0 => format!("{picture} with {terms}"),
        1 => format!("{terms} on a {picture}"),
        _ => format!("findings: {terms}. image: {picture}"),
    }
}

/// The findings that the adults' films are labelled with.
pub fn findings() -> &'static [&'static str] {
    Vocabulary::of("nih14").map_or(&[], |v| v.closed)
}

/// A code in words.
pub fn in_words(code: &str) -> String {
    code.replace('_', " ")
}

/// All pictures, with the samples they come from.
pub struct Films {
    /// Pictures, domain after domain.
    pub all: Vec<Film>,
    /// The real ones as they stand in their manifests.
    pub samples: Vec<Sample>,
    /// Label of each picture for the loss.
    pub labels: Vec<usize>,
    contract: InputContract,
}

impl Films {
    /// Loads the pictures of all domains.
    ///
    /// # Errors
    /// Sets that are not there, pictures that cannot be read.
    pub fn load(ctx: &Context<'_>, config: &Config) -> Result<Self> {
        let contract = InputContract::square(config.side);
        let (mut all, mut samples) = (Vec::new(), Vec::new());
        for domain in Domain::ALL {
            if domain == Domain::Phantom {
                all.extend(phantoms(ctx, config)?);
                continue;
            }
            let own = ctx.samples("medimageinsight", domain.sets())?;
            let [adults, others] = config.most;
            let most = if domain == Domain::Adult {
                adults
            } else {
                others
            };
            let own = thinned(own, most);
            let pictures = load_pictures(&own, &contract, Lungs::None, &[])?;
            let planes = pictures.into_iter().map(|p| p.plane);
            all.extend(
                own.iter()
                    .zip(planes)
                    .filter_map(|(s, p)| film(domain, s, p)),
            );
            samples.extend(own);
        }
        let labels = numbered(&all);
        Ok(Films {
            all,
            samples,
            labels,
            contract,
        })
    }

    /// Places of a domain's films in a split.
    pub fn of(&self, domain: Domain, split: Split) -> Vec<usize> {
        let is = |i: &usize| self.all[*i].domain == domain && self.all[*i].split == split;
        (0..self.all.len()).filter(is).collect()
    }

    /// Places of the training films of these domains.
    pub fn training(&self, domains: &[Domain]) -> Vec<usize> {
        domains
            .iter()
            .flat_map(|&d| self.of(d, Split::Train))
            .collect()
    }

    /// What is true of an adults' film: its findings, and last whether there is any.
    pub fn truth(&self, film: usize) -> Vec<bool> {
        let film = &self.all[film];
        let findings = film.findings.iter().copied();
        findings.chain([film.answer]).collect()
    }

    /// The films at these places as a network sees them, with the loss's labels.
    pub fn set(&self, at: &[usize]) -> ClassSet {
        let films = || at.iter().map(|&i| &self.all[i]);
        ClassSet {
            x: films().map(|f| self.contract.values(&f.plane)).collect(),
            y: at.iter().map(|&i| self.labels[i]).collect(),
            patients: films().map(|f| f.patient.clone()).collect(),
            side: self.contract.width,
            classes: self.labels.iter().max().map_or(0, |m| m + 1),
        }
    }
}

/// Films with the same key get the same number.
fn numbered(films: &[Film]) -> Vec<usize> {
    let mut known: BTreeMap<String, usize> = BTreeMap::new();
    films
        .iter()
        .map(|f| {
            let next = known.len();
            *known.entry(f.key()).or_insert(next)
        })
        .collect()
}

/// At most `most` samples of each split, evenly taken; those without a split are left out.
fn thinned(samples: Vec<Sample>, most: usize) -> Vec<Sample> {
    let mut out = Vec::new();
    for split in Split::ALL {
        let own: Vec<&Sample> = samples.iter().filter(|s| s.split == Some(split)).collect();
        let n = own.len().min(most);
        out.extend((0..n).map(|i| own[i * own.len() / n].clone()));
    }
    out
}

fn film(domain: Domain, sample: &Sample, plane: Plane<u8>) -> Option<Film> {
    let positive = |code: &&str| sample.labels.is_positive(code);
    let (terms, marks) = match domain {
        Domain::Adult => {
            let marks: Vec<bool> = findings().iter().map(&positive).collect();
            let named = findings().iter().filter(|c| positive(c));
            let mut terms: Vec<String> = named.map(|c| in_words(c)).collect();
            if terms.is_empty() {
                terms.push(NOTHING.to_owned());
            }
            (terms, marks)
        }
        _ => {
            let words = sample.raw_labels.iter().map(|l| in_words(l));
            (words.collect(), Vec::new())
        }
    };
    let female = match sample.sex {
        Some(Sex::Female) => Some(true),
        Some(Sex::Male) => Some(false),
        _ => None,
    };
    Some(Film {
        id: sample.id.clone(),
        domain,
        set: sample.set.clone(),
        split: sample.split?,
        patient: patient(sample),
        female,
        age: sample.age,
        answer: domain.answer(&terms),
        terms,
        report: None,
        written: None,
        findings: marks,
        plane,
    })
}

fn phantoms(ctx: &Context<'_>, config: &Config) -> Result<Vec<Film>> {
    (0..config.phantoms)
        .into_par_iter()
        .map(|number| phantom(ctx.seed, number, config.side))
        .collect()
}

/// The first study of a made-up patient; of five patients three train, one validates and one tests.
fn phantom(seed: u64, number: u64, side: usize) -> Result<Film> {
    let made = first_visit(seed, number, side)?;
    let found = &made.visit.findings;
    let shown = found.iter().filter(|f| !f.kind.is_device());
    let mut terms: Vec<String> = shown.map(|f| f.kind.label().to_lowercase()).collect();
    terms.sort();
    terms.dedup();
    if terms.is_empty() {
        terms.push(NOTHING.to_owned());
    }
    let id = format!("phantom-{number}");
    Ok(Film {
        domain: Domain::Phantom,
        set: "phantom".to_owned(),
        split: match number % 5 {
            0..3 => Split::Train,
            3 => Split::Val,
            _ => Split::Test,
        },
        patient: id.clone(),
        id,
        female: None,
        age: None,
        answer: Domain::Phantom.answer(&terms),
        terms,
        report: Some(made.report.impression),
        written: Some(made.report.findings),
        findings: Vec::new(),
        plane: made.picture.plane,
    })
}

/// Fails when a split of the adults' films cannot be asked.
///
/// # Errors
/// [`MethodError::TooFew`].
pub fn check(films: &Films, least: usize) -> Result<()> {
    for split in Split::ALL {
        let own = films.of(Domain::Adult, split);
        for answer in [false, true] {
            let found = own
                .iter()
                .filter(|&&i| films.all[i].answer == answer)
                .count();
            if found < least {
                let which = if answer { "with" } else { "without" };
                return Err(MethodError::TooFew {
                    what: format!("adults' films {which} a finding, {split} split"),
                    found,
                    needed: least,
                });
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(domain: Domain, terms: &[&str], report: Option<&str>) -> Film {
        let terms: Vec<String> = terms.iter().map(|t| (*t).to_owned()).collect();
        Film {
            id: String::new(),
            domain,
            set: String::new(),
            split: Split::Train,
            patient: String::new(),
            female: None,
            age: None,
            answer: domain.answer(&terms),
            terms,
            report: report.map(str::to_owned),
            written: None,
            findings: Vec::new(),
            plane: Plane::filled(2, 2, 0),
        }
    }

    #[test]
    fn the_same_labels_or_the_same_report_are_one_label() {
        let films = [
            plain(Domain::Adult, &["effusion", "mass"], None),
            plain(Domain::Adult, &["effusion", "mass"], None),
            plain(Domain::Adult, &["effusion"], None),
            plain(Domain::Phantom, &["effusion"], Some("An effusion.")),
            plain(Domain::Phantom, &["mass"], Some("An effusion.")),
            plain(Domain::Child, &["normal"], None),
            plain(Domain::Ct, &["normal"], None),
        ];
        assert_eq!(numbered(&films), [0, 0, 1, 2, 2, 3, 4]);
    }

    #[test]
    fn domains_ask_their_own_question() {
        assert!(!plain(Domain::Adult, &[NOTHING], None).answer);
        assert!(plain(Domain::Adult, &["mass"], None).answer);
        assert!(plain(Domain::Child, &["viral pneumonia"], None).answer);
        assert!(!plain(Domain::Child, &["normal"], None).answer);
        assert!(plain(Domain::Mammogram, &["dense-glandular", "normal"], None).answer);
        assert!(!plain(Domain::Ct, &["normal"], None).answer);
    }

    #[test]
    fn templates_name_domain_and_findings_and_reports_stand_as_they_are() {
        let film = plain(Domain::Adult, &["pleural effusion", "mass"], None);
        for variant in 0..VARIANTS {
            let text = film.text(variant);
            assert!(text.contains("pleural effusion, mass"), "{text}");
            assert!(text.contains("chest radiograph of an adult"), "{text}");
        }
        assert_ne!(film.text(0), film.text(1));
        assert_eq!(
            plain(Domain::Phantom, &[], Some("Clear.")).text(2),
            "Clear."
        );
    }

    #[test]
    fn generated_films_have_reports_and_every_split() {
        let films: Vec<Film> = [0, 3, 4]
            .iter()
            .map(|&n| phantom(1, n, 32).unwrap())
            .collect();
        let splits: Vec<Split> = films.iter().map(|f| f.split).collect();
        assert_eq!(splits, [Split::Train, Split::Val, Split::Test]);
        for film in &films {
            assert!(film.report.as_ref().is_some_and(|r| r.len() > 5));
            assert!(film.written.as_ref().is_some_and(|r| r.len() > 5));
            assert!(film.plane.data.iter().any(|v| *v != film.plane.data[0]));
        }
    }
}
