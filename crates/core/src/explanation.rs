//! What stands beside a finding: why the network answered so, how sure it is, and which known cases look like this one.

use serde::{Deserialize, Serialize};

/// An attribution map of one finding in one image, and whether it may be believed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Explanation {
    /// Index into `images`.
    pub image: usize,
    /// `cam`, the class activation map that every reading has, or the name of an attribution, e.g. `deep-lift`.
    pub method: String,
    /// Model whose logit is explained.
    pub model: String,
    /// PNG of the map over the whole stored image, relative to the output folder; null when no files were written.
    pub map: Option<String>,
    /// What deletion and insertion say of the map; null with the reason in `note`.
    pub trust: Option<MapTrust>,
    /// Why there is no map or no verdict.
    pub note: Option<String>,
}

/// Deletion and insertion of pixels by a map, against the same map moved to random places (areas under the curves of
/// the finding's uncalibrated probability, between 0 and 1).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MapTrust {
    /// Area as pixels are taken away, strongest first: low for a good map.
    pub deletion: f64,
    /// Area as pixels are put in, strongest first: high for a good map.
    pub insertion: f64,
    /// Mean deletion area of the moved maps.
    pub random_deletion: f64,
    /// Mean insertion area of the moved maps.
    pub random_insertion: f64,
    /// Moved maps compared with: 19, fewer when the comparison was lost before.
    pub random: usize,
    /// Share of maps, itself counted, that do at least as well; of the moved maps alone when the comparison was lost.
    pub p: f64,
    /// Whether the map does better than all but 5 % of the moved ones.
    pub trusted: bool,
}

/// A range of probabilities.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Span {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// How sure an answer is, beyond its probability and its conformal set. What the model cannot give is null.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Uncertainty {
    /// Entropy of the calibrated probability in bits: 0 sure, 1 an even chance.
    pub entropy: f64,
    /// The two probabilities of a Venn-ABERS calibrator: the width says how little the calibration data determine.
    pub venn_abers: Option<Span>,
    /// Calibrated probabilities of the single networks; null for one network.
    pub members: Option<MemberSpread>,
    /// Calibrated probabilities of shifted and scaled copies of the image; null unless asked for.
    pub augmented: Option<MemberSpread>,
}

/// Spread of several answers about one image. It is disagreement, not an interval with a coverage.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct MemberSpread {
    /// Answers.
    pub count: usize,
    /// Smallest.
    pub low: f64,
    /// Largest.
    pub high: f64,
    /// Standard deviation (n - 1).
    pub deviation: f64,
}

/// The nearest known cases of one image.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Similar {
    /// Index into `images`.
    pub image: usize,
    /// Model whose features are compared.
    pub model: String,
    /// Cases, nearest first.
    pub cases: Vec<SimilarCase>,
    /// Why there are none.
    pub note: Option<String>,
}

/// One known case.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SimilarCase {
    /// Its id in the index.
    pub id: String,
    /// Its labels as they were given; empty when it has none.
    pub labels: Vec<String>,
    /// Cosine distance of the features, 0 to 2; 0 is the same direction.
    pub distance: f64,
    /// Share of the index's cases that lie nearer to each other than this, as measured when it was built; null for an
    /// index of fewer than three cases.
    pub percentile: Option<f64>,
}
