//! What the study leaves in the run folder between training and measuring.

use super::config::Config;
use super::films::Domain;
use serde::{Deserialize, Serialize};

/// Who answers about findings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reader {
    /// The neighbours' labels, with this many neighbours, by the encoder of all domains.
    Neighbours(usize),
    /// The neighbours' labels by the encoder of the adults' films alone.
    Alone,
    /// The neighbours' labels by an encoder that was not trained.
    UntrainedNeighbours,
    /// Prompts: the finding against none.
    Prompts,
    /// A logistic regression on the vectors.
    Adapter,
    /// The same on the features of an encoder that was not trained.
    UntrainedProbe,
    /// A classifier tuned from the encoder of all domains.
    Tuned,
}

/// Answers for the test films: a row a film, a column a finding, the last for any.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Answers {
    /// Who.
    pub reader: Reader,
    /// Scores that rise with the finding.
    pub said: Vec<Vec<f32>>,
}

/// A question about findings: a column of the answers, asked within one set, for the two sets of adults' films differ in what was put
/// into them and in resolution.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ask {
    /// Set.
    pub set: String,
    /// Column.
    pub column: usize,
    /// Finding in words.
    pub finding: String,
}

/// The test films of adults.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Cases {
    /// Patients.
    pub groups: Vec<usize>,
    /// Sets.
    pub sets: Vec<String>,
    /// Findings, the last for any.
    pub truth: Vec<Vec<bool>>,
    /// Women.
    pub female: Vec<Option<bool>>,
    /// Ages in years.
    pub ages: Vec<Option<f32>>,
    /// Mean age of the training films, and that of those of the film's own set.
    pub mean_ages: Vec<[f64; 2]>,
}

/// Ages said of the test films, in years.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ages {
    /// By the mean of the neighbours.
    pub neighbours: Vec<f64>,
    /// By a line on the vectors.
    pub adapter: Vec<f64>,
    /// By the mean of the neighbours of an encoder that was not trained.
    pub untrained: Vec<f64>,
    /// Numbers of neighbours of the first and the last, and the line's penalty, all chosen on the validation split.
    pub chosen: (usize, usize, f64),
}

/// A threshold chosen on the validation split.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Threshold {
    /// For a sensitivity; for a specificity else.
    pub sensitivity: bool,
    /// Lowest score called positive.
    pub at: f64,
}

/// The question of a domain, asked of its test films.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Elsewhere {
    /// Domain.
    pub domain: Domain,
    /// Patients.
    pub groups: Vec<usize>,
    /// Truth.
    pub truth: Vec<bool>,
    /// Votes of the neighbours among the domain's training films.
    pub said: Vec<f64>,
    /// Whether the nearest training film of all domains is of this one.
    pub own: Vec<bool>,
}

/// Who writes of films.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reporter {
    /// The decoder.
    Decoder,
    /// The decoder shown the mean of the training films in place of each.
    Blind,
    /// The report of the nearest training film.
    Nearest,
    /// A fixed sentence for each finding that a linear adapter finds.
    Template,
}

impl Reporter {
    /// All of them, the decoder first.
    pub const ALL: [Reporter; 4] = [
        Reporter::Decoder,
        Reporter::Template,
        Reporter::Nearest,
        Reporter::Blind,
    ];

    /// Name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Reporter::Decoder => "the decoder",
            Reporter::Blind => "the same decoder shown the mean film",
            Reporter::Nearest => "the report of the nearest known film",
            Reporter::Template => "a template reporter",
        }
    }
}

/// Reports of the test films with one, in the order of [`References`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Written {
    /// Who.
    pub reporter: Reporter,
    /// The reports.
    pub texts: Vec<String>,
}

/// What stands in the reports of test films.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct References {
    /// Places in the list of films.
    pub films: Vec<usize>,
    /// Patients.
    pub groups: Vec<usize>,
    /// Findings sections.
    pub texts: Vec<String>,
}

/// What stands for a volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pooling {
    /// The mean of its slices' vectors.
    Slices,
    /// The vector of its middle slice.
    Middle,
    /// The mean of its slices' vectors by an encoder that was not trained.
    Untrained,
}

/// The volumes that are nearest to each, the nearest first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ranks {
    /// What stood for them.
    pub pooling: Pooling,
    /// Places in the list of volumes.
    pub nearest: Vec<Vec<usize>>,
}

/// A film of the evidence sheet with the training films that are nearest, as places in the list of films with their cosines.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Shown {
    /// The film.
    pub film: usize,
    /// Vote of the neighbours for what is asked of the film's domain.
    pub score: f64,
    /// The nearest.
    pub neighbours: Vec<(usize, f32)>,
}

/// One seed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// Seed.
    pub seed: u64,
    /// Number of neighbours with the best mean AUROC on the validation split.
    pub k: usize,
    /// The same of the encoder of one domain.
    pub k_alone: usize,
    /// Answers.
    pub answers: Vec<Answers>,
    /// Ages.
    pub ages: Ages,
    /// Thresholds of the neighbours' score for any finding.
    pub thresholds: Vec<Threshold>,
    /// Other domains, and the adults' own.
    pub elsewhere: Vec<Elsewhere>,
    /// Evidence.
    pub shown: Vec<Shown>,
    /// Reports of the test films that have one.
    pub reports: Vec<Written>,
    /// The decoder's last mean loss, nats a word.
    pub telling: f64,
    /// Volumes among each other.
    pub ranks: Vec<Ranks>,
    /// Share of the ten nearest that approximate search finds.
    pub recall: Option<f64>,
    /// Mean loss of the last epoch, all domains and one.
    pub losses: [f64; 2],
    /// Scale of the cosines after training.
    pub scale: f64,
}

/// Everything that was said.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// Settings.
    pub config: Config,
    /// Seeds.
    pub seeds: Vec<u64>,
    /// Hash of the films.
    pub data_hash: String,
    /// Hash of the split.
    pub split_hash: String,
    /// Training films by domain.
    pub trained: Vec<(Domain, usize)>,
    /// Test films of adults.
    pub cases: Cases,
    /// What is asked of them.
    pub asks: Vec<Ask>,
    /// What stands in the reports of test films.
    pub references: References,
    /// Findings of the volumes.
    pub volumes: Vec<Vec<String>>,
    /// Seeds' results.
    pub runs: Vec<Run>,
}
