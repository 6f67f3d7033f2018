//! What a text metric is, and the list of them.

use super::additive;
use super::bertscore::{Embeddings, TokenEncoder};
use super::chexpert::{self, FileLabels};
use super::facts;
use super::grounded::GroundedPhrase;
use super::sequential;
use super::table::Table;
use crate::error::TextError;
use crate::facts::GraphReader;
use crate::nlg::Sample;
use crate::nlg::meteor::WordNet;
use crate::report::SectionKind;
use crate::tokenize::Tokenizer;
use serde::Serialize;
use serde_json::Value;
use std::sync::Arc;

/// A hypothesis with its references, as metrics see it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Pair {
    /// Id of the sample.
    pub id: String,
    /// The text to score, cut to the sections asked for.
    pub hypothesis: String,
    /// What it is compared with; at least one.
    pub references: Vec<String>,
    /// Both, tokenised.
    pub tokens: Sample,
    /// Labels that the file of the hypothesis gave, in the order of [`crate::lexicon::CHEXPERT`].
    pub hypothesis_labels: Option<FileLabels>,
    /// Labels that the file of the references gave.
    pub reference_labels: Option<FileLabels>,
    /// Patient that the file of the hypothesis named.
    pub hypothesis_patient: Option<String>,
    /// Patient that the file of the references named.
    pub reference_patient: Option<String>,
    /// Phrases with boxes that the file of the hypothesis gave.
    pub hypothesis_phrases: Option<Vec<GroundedPhrase>>,
    /// Those that the file of the references gave.
    pub reference_phrases: Option<Vec<GroundedPhrase>>,
}

/// A score, or a family of scores that are computed together. Takes in pairs batch by batch, so that no
/// text has to be kept, and gives its tables at the end.
pub trait TextMetric: Send {
    /// Takes in the next pairs.
    ///
    /// # Errors
    /// What a metric needs for a pair is missing (e.g. its embeddings).
    fn add(&mut self, pairs: &[Pair]) -> Result<(), TextError>;

    /// The tables of everything taken in, by name; row `order[i]` comes first.
    fn finish(self: Box<Self>, order: &[usize]) -> Vec<(String, Table)>;

    /// What the metric sees of a pair: tokens, matches, labels, counts.
    fn explain(&self, pair: &Pair) -> Value;
}

/// How uncertain labels count in the CheXpert F1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Uncertain {
    /// As absent (U-zeros).
    Zeros,
    /// As present (U-ones).
    Ones,
    /// As present where a hedge made it uncertain.
    HedgesOnes,
    /// The same for signs, as absent for diseases.
    SignsOnes,
    /// As present where the hedge leans to it ("probable", "A or B").
    LeaningOnes,
    /// A finding that is uncertain on either side takes no part in that sample (U-ignore).
    Ignore,
}

impl Uncertain {
    /// Every policy.
    pub const ALL: [Uncertain; 6] = [
        Uncertain::Ones,
        Uncertain::Zeros,
        Uncertain::HedgesOnes,
        Uncertain::SignsOnes,
        Uncertain::LeaningOnes,
        Uncertain::Ignore,
    ];

    /// Name in signatures and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Uncertain::Zeros => "zeros",
            Uncertain::Ones => "ones",
            Uncertain::HedgesOnes => "hedges_ones",
            Uncertain::SignsOnes => "signs_ones",
            Uncertain::LeaningOnes => "leaning_ones",
            Uncertain::Ignore => "ignore",
        }
    }

    /// The policy of that name.
    ///
    /// # Errors
    /// [`TextError::UnknownName`].
    pub fn from_name(name: &str) -> Result<Self, TextError> {
        let name = name.replace('-', "_");
        Uncertain::ALL
            .into_iter()
            .find(|u| u.name() == name)
            .ok_or_else(|| TextError::UnknownName {
                what: "uncertain policy",
                name,
                known: Uncertain::ALL.map(Uncertain::name).join(", "),
            })
    }
}

/// Embeddings of both sides, for BERTScore.
#[derive(Debug, Clone)]
pub struct EmbeddingPair {
    /// Of the references.
    pub references: Arc<Embeddings>,
    /// Of the hypotheses.
    pub hypotheses: Arc<Embeddings>,
    /// Name of the encoder and layer, for the signature.
    pub encoder: String,
}

/// Where BERTScore's vectors come from.
#[derive(Debug, Clone)]
pub enum TokenVectors {
    /// From files.
    Stored(EmbeddingPair),
    /// From a model that reads each text.
    Encoder(Arc<dyn TokenEncoder>),
}

impl TokenVectors {
    /// Name of the encoder and layer, for the signature.
    pub fn encoder(&self) -> String {
        match self {
            TokenVectors::Stored(pair) => pair.encoder.clone(),
            TokenVectors::Encoder(encoder) => encoder.name(),
        }
    }
}

/// What to compute.
#[derive(Debug, Clone)]
pub struct ScoreOptions {
    /// Names from the command line: families (`bleu`) or members (`bleu_4`).
    pub metrics: Vec<String>,
    /// How texts are cut for the n-gram scores.
    pub tokenizer: Tokenizer,
    /// Sections that are scored; empty: texts as they are.
    pub sections: Vec<SectionKind>,
    /// How uncertain labels count in the CheXpert F1; with several, names end in `_u_<policy>`.
    pub uncertain: Vec<Uncertain>,
    /// Score the ids that both sides have although others are missing or broken.
    pub allow_partial: bool,
    /// METEOR's synonyms, where the user has WordNet.
    pub wordnet: Option<Arc<WordNet>>,
    /// Token vectors for BERTScore.
    pub embeddings: Option<TokenVectors>,
    /// What makes the graphs of the scores over facts; the rules without.
    pub graphs: Option<Arc<dyn GraphReader>>,
}

impl Default for ScoreOptions {
    fn default() -> Self {
        ScoreOptions {
            metrics: METRICS
                .iter()
                .filter(|m| m.default)
                .map(|m| m.name.to_owned())
                .collect(),
            tokenizer: Tokenizer::Ptb,
            sections: Vec::new(),
            uncertain: vec![Uncertain::Ones],
            allow_partial: false,
            wordnet: None,
            embeddings: None,
            graphs: None,
        }
    }
}

impl ScoreOptions {
    /// `section:` part of signatures.
    pub fn section_name(&self) -> String {
        if self.sections.is_empty() {
            return "whole".to_owned();
        }
        self.sections
            .iter()
            .map(|s| s.name())
            .collect::<Vec<_>>()
            .join("+")
    }
}

/// Metrics that need more than two files of texts, and so are not part of "all": BERTScore its vectors,
/// sequential scores their patients.
pub const BY_NAME_ONLY: [&str; 2] = ["bertscore", "lunguage_sequential"];

type Build = fn(&ScoreOptions) -> Result<Box<dyn TextMetric>, TextError>;

/// One entry of the list.
#[derive(Clone, Copy)]
pub struct MetricInfo {
    /// Name of the family, as on the command line.
    pub name: &'static str,
    /// Names of its scores.
    pub members: &'static [&'static str],
    /// Name to show.
    pub title: &'static str,
    /// Whether a larger value is better; null for shares that are neither.
    pub higher_is_better: Option<bool>,
    /// Computed when no metric is named.
    pub default: bool,
    /// When it is null.
    pub undefined: &'static str,
    /// Where it is defined.
    pub reference: &'static str,
    build: Build,
}

const NEVER: &str = "never; an empty text scores 0";
const UP: Option<bool> = Some(true);
const DOWN: Option<bool> = Some(false);

/// Every text metric, in the order in which tables show them.
#[rustfmt::skip]
pub static METRICS: &[MetricInfo] = &[
    MetricInfo { name: "bleu", members: &["bleu_1", "bleu_2", "bleu_3", "bleu_4"], title: "BLEU as pycocoevalcap counts it", higher_is_better: UP, default: true, undefined: NEVER, reference: "Papineni et al. 2002; no smoothing, closest reference length", build: additive::bleu },
    MetricInfo { name: "rouge_l", members: &["rouge_l"], title: "ROUGE-L, beta 1.2", higher_is_better: UP, default: true, undefined: NEVER, reference: "Lin 2004; pycocoevalcap", build: additive::rouge_l },
    MetricInfo { name: "meteor", members: &["meteor"], title: "METEOR 1.5", higher_is_better: UP, default: true, undefined: "the texts repeat their words so often that the alignment cannot be searched", reference: "Denkowski and Lavie 2014; stages as the signature says", build: additive::meteor },
    MetricInfo { name: "cider_d", members: &["cider_d"], title: "CIDEr-D (what pycocoevalcap prints as CIDEr)", higher_is_better: UP, default: true, undefined: "a single sample", reference: "Vedantam et al. 2015, section 4", build: additive::cider_d },
    MetricInfo { name: "cider", members: &["cider"], title: "CIDEr, no clipping and no length penalty", higher_is_better: UP, default: false, undefined: "a single sample", reference: "Vedantam et al. 2015, section 3; words are not stemmed", build: additive::cider },
    MetricInfo { name: "chrf", members: &["chrf", "chrf_pp"], title: "chrF2 and chrF++, 0 to 100", higher_is_better: UP, default: false, undefined: NEVER, reference: "Popovic 2015, 2017; as sacreBLEU", build: additive::chrf },
    MetricInfo { name: "rouge", members: &["rouge_1", "rouge_2", "rouge_l_f1"], title: "ROUGE-1, -2 and -L, plain F1", higher_is_better: UP, default: false, undefined: NEVER, reference: "Lin 2004; as rouge-score, with its own tokens", build: additive::rouge },
    MetricInfo { name: "sacrebleu", members: &["sacrebleu"], title: "BLEU as sacreBLEU counts it, 0 to 100", higher_is_better: UP, default: false, undefined: NEVER, reference: "Post 2018; 13a tokens, exponential smoothing", build: additive::sacrebleu },
    MetricInfo { name: "ter", members: &["ter"], title: "Translation edit rate, 0 is best, in percent", higher_is_better: DOWN, default: false, undefined: "never; without any word in the references 100, or 0 for an empty text", reference: "Snover et al. 2006; as sacreBLEU", build: additive::ter },
    MetricInfo { name: "bertscore", members: &["bertscore_p", "bertscore_r", "bertscore_f1"], title: "BERTScore over given token embeddings", higher_is_better: UP, default: false, undefined: "a text without tokens", reference: "Zhang et al. 2020; no idf weights, no rescaling", build: additive::bertscore },
    MetricInfo { name: "chexpert_f1", members: &["chexpert_f1_micro", "chexpert_f1_macro", "chexpert_f1_micro_5", "chexpert_f1_macro_5"], title: "F1 of the 14 CheXpert labels, and of the five of its competition", higher_is_better: UP, default: true, undefined: "no finding is present on either side", reference: "Irvin et al. 2019; Smit et al. 2020", build: chexpert::build },
    MetricInfo { name: "radgraph", members: &["radgraph_e", "radgraph_er", "radgraph_er_bar"], title: "F1 of RadGraph entities and relations, from graphs made by rules", higher_is_better: UP, default: true, undefined: "no entity on either side", reference: "Jain et al. 2021; Delbrouck et al. 2022", build: facts::radgraph },
    MetricInfo { name: "radfact", members: &["radfact_logical_precision", "radfact_logical_recall", "radfact_logical_f1", "radfact_grounding_precision", "radfact_grounding_recall", "radfact_grounding_f1", "radfact_spatial_precision", "radfact_spatial_recall", "radfact_spatial_f1"], title: "RadFact with entailment by rules; the spatial numbers need boxes", higher_is_better: UP, default: false, undefined: "no fact on the side that is counted, or no boxes", reference: "Bannur et al. 2024", build: facts::radfact },
    MetricInfo { name: "green", members: &["green", "lc_green", "green_false_finding", "green_missing_finding", "green_wrong_place", "green_wrong_severity", "green_invented_comparison", "green_omitted_comparison"], title: "Score and errors a report by kind, in the manner of GREEN, judged over facts", higher_is_better: None, default: false, undefined: "no fact on either side", reference: "Ostmeier et al. 2024; higher is better for `green` and `lc_green`, lower for the counts", build: facts::green },
    MetricInfo { name: "lunguage", members: &["lunguage_precision", "lunguage_recall", "lunguage_f1"], title: "LunguageScore of single reports", higher_is_better: UP, default: false, undefined: "no fact on the side that is counted", reference: "Moon et al. 2025", build: facts::lunguage },
    MetricInfo { name: "lunguage_sequential", members: &["lunguage_sequential_precision", "lunguage_sequential_recall", "lunguage_sequential_f1"], title: "LunguageScore of patients' time lines, a value a patient; lines name their `patient`", higher_is_better: UP, default: false, undefined: "no fact on the side that is counted", reference: "Moon et al. 2025", build: sequential::build },
    MetricInfo { name: "consistency", members: &["consistency", "r_consistency"], title: "Overlap of what is said of equivalent references", higher_is_better: UP, default: false, undefined: "no two references are equivalent", reference: "ICON, Hou et al. 2024, section 4", build: facts::consistency },
];

/// The list entry for a name, and the member if the name is one.
fn lookup(name: &str) -> Result<(&'static MetricInfo, Option<&'static str>), TextError> {
    for info in METRICS {
        if info.name == name {
            return Ok((info, None));
        }
        if let Some(member) = info.members.iter().find(|m| **m == name) {
            return Ok((info, Some(member)));
        }
    }
    Err(TextError::UnknownName {
        what: "metric",
        name: name.to_owned(),
        known: METRICS
            .iter()
            .map(|m| m.name)
            .collect::<Vec<_>>()
            .join(", "),
    })
}

/// The list entry of a score (`bleu_4`) or family.
pub fn find(name: &str) -> Option<&'static MetricInfo> {
    let plain = name.split("_u_").next().unwrap_or(name);
    lookup(plain).ok().map(|(info, _)| info)
}

/// Metrics that were asked for, built, with the members to keep.
pub struct Selection {
    /// Built families.
    pub metrics: Vec<(&'static MetricInfo, Box<dyn TextMetric>)>,
    wanted: Vec<(&'static str, Option<&'static str>)>,
}

impl Selection {
    /// Builds what `options.metrics` names, each family once.
    ///
    /// # Errors
    /// An unknown name, no name at all, or a metric without what it needs.
    pub fn new(options: &ScoreOptions) -> Result<Self, TextError> {
        let mut metrics: Vec<(&'static MetricInfo, Box<dyn TextMetric>)> = Vec::new();
        let mut wanted = Vec::new();
        for name in &options.metrics {
            let (info, member) = lookup(name)?;
            wanted.push((info.name, member));
            if !metrics.iter().any(|(known, _)| known.name == info.name) {
                metrics.push((info, (info.build)(options)?));
            }
        }
        if metrics.is_empty() {
            return Err(TextError::Unscorable {
                reason: "no metric is asked for".to_owned(),
            });
        }
        Ok(Selection { metrics, wanted })
    }

    /// Whether a score of a family was asked for, by itself or with its family.
    pub fn keeps(&self, family: &str, score: &str) -> bool {
        let plain = score.split("_u_").next().unwrap_or(score);
        self.wanted
            .iter()
            .any(|(name, member)| *name == family && member.is_none_or(|m| m == plain))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn names_are_unique_and_lead_to_their_family() {
        let names: Vec<&str> = METRICS.iter().flat_map(|m| m.members).copied().collect();
        assert_eq!(names.iter().collect::<HashSet<_>>().len(), names.len());
        assert_eq!(find("bleu_4").map(|m| m.name), Some("bleu"));
        assert_eq!(
            find("chexpert_f1_micro_u_zeros").map(|m| m.name),
            Some("chexpert_f1")
        );
        assert!(find("bleurt").is_none());
    }

    #[test]
    fn a_member_alone_is_given_alone() {
        let options = ScoreOptions {
            metrics: vec!["bleu_4".to_owned()],
            ..ScoreOptions::default()
        };
        let chosen = Selection::new(&options).unwrap();
        assert!(chosen.keeps("bleu", "bleu_4") && !chosen.keeps("bleu", "bleu_1"));
        let wrong = ScoreOptions {
            metrics: vec!["bleurt".to_owned()],
            ..ScoreOptions::default()
        };
        assert!(matches!(
            Selection::new(&wrong),
            Err(TextError::UnknownName { .. })
        ));
    }

    #[test]
    fn the_page_lists_every_metric() {
        let page = include_str!("../../../../docs/metrics.md");
        let missing: Vec<_> = METRICS
            .iter()
            .flat_map(|m| m.members)
            .filter(|m| !page.contains(&format!("`{m}`")))
            .collect();
        assert!(missing.is_empty(), "docs/metrics.md lacks {missing:?}");
    }
}
