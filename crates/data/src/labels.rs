//! Label algebra: four-valued labels in the taxonomy, closed under subsumption.
//!
//! A code that is not in [`Labels`] is *unknown*: the set does not label it. That is different from
//! negative, from uncertain (a labeler saw hedged wording) and from not mentioned (a labeler looked
//! and the report is silent), and only the [`LabelPolicy`] turns the last two into numbers.

mod matrix;
mod vocabulary;

pub use matrix::{CodeCounts, LabelMatrix};
pub use vocabulary::{VOCABULARIES, Vocabulary};

use crate::error::{DataError, Result};
use hilum_core::taxonomy::{self, ABNORMAL, NO_FINDING};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a set says about a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LabelState {
    /// Present.
    Positive,
    /// Absent.
    Negative,
    /// The report hedges (CheXpert and MIMIC: -1).
    Uncertain,
    /// The set labels this code, but this report says nothing of it (CheXpert and MIMIC: blank).
    NotMentioned,
}

/// What an uncertain label counts as in training or scoring (Irvin et al. 2019, section 3).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UncertainPolicy {
    /// As unknown.
    Ignore,
    /// As negative.
    Zero,
    /// As positive.
    One,
    /// As this target between 0 and 1.
    Soft(f32),
}

/// How labels become numbers; goes into configs and every result.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LabelPolicy {
    /// What uncertain counts as.
    pub uncertain: UncertainPolicy,
    /// Whether a code that the report does not mention counts as negative, as the authors of CheXpert
    /// train; otherwise it is unknown.
    pub unmentioned_is_negative: bool,
}

impl LabelPolicy {
    /// Uncertain labels are left out; what a labeler did not find mentioned counts as negative.
    pub const IGNORE: LabelPolicy = LabelPolicy {
        uncertain: UncertainPolicy::Ignore,
        unmentioned_is_negative: true,
    };

    /// Checks the range of a soft target.
    ///
    /// # Errors
    /// [`DataError::Setting`] when it is not within 0 and 1.
    pub fn validate(&self) -> Result<()> {
        match self.uncertain {
            UncertainPolicy::Soft(t) if !(0.0..=1.0).contains(&t) => Err(DataError::setting(
                "uncertain",
                "a target between 0 and 1",
                t,
            )),
            _ => Ok(()),
        }
    }

    /// The target for a state; `None` where the label is unknown or left out.
    pub fn target(&self, state: Option<LabelState>) -> Option<f32> {
        match state? {
            LabelState::Positive => Some(1.0),
            LabelState::Negative => Some(0.0),
            LabelState::NotMentioned => self.unmentioned_is_negative.then_some(0.0),
            LabelState::Uncertain => match self.uncertain {
                UncertainPolicy::Ignore => None,
                UncertainPolicy::Zero => Some(0.0),
                UncertainPolicy::One => Some(1.0),
                UncertainPolicy::Soft(t) => Some(t),
            },
        }
    }
}

/// A positive child under a parent that was labelled negative; the child wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Conflict {
    /// The positive code.
    pub child: &'static str,
    /// The code that was negative.
    pub parent: &'static str,
}

/// Labels of one image by taxonomy code; codes that are not in it are unknown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Labels {
    states: BTreeMap<&'static str, LabelState>,
    conflicts: Vec<Conflict>,
    unmapped: Vec<String>,
}

impl Labels {
    /// What is said about `code`; `None` when nothing is.
    pub fn get(&self, code: &str) -> Option<LabelState> {
        self.states.get(code).copied()
    }

    /// True when `code` is positive.
    pub fn is_positive(&self, code: &str) -> bool {
        self.get(code) == Some(LabelState::Positive)
    }

    /// Every code with something said about it, sorted.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, LabelState)> {
        self.states.iter().map(|(c, s)| (*c, *s))
    }

    /// True when nothing is known.
    pub fn is_empty(&self) -> bool {
        self.states.is_empty()
    }

    /// States a label, replacing what was said.
    ///
    /// # Errors
    /// [`DataError::UnknownCode`].
    pub fn set(&mut self, code: &str, state: LabelState) -> Result<()> {
        let taxon = taxonomy::by_code(code).ok_or_else(|| DataError::UnknownCode(code.into()))?;
        self.states.insert(taxon.code, state);
        Ok(())
    }

    /// States a label unless a positive one is there already.
    pub(crate) fn fill(&mut self, code: &'static str, state: LabelState) {
        let old = self.states.entry(code).or_insert(state);
        if *old != LabelState::Positive {
            *old = state;
        }
    }

    /// Parents that were stated negative although a child is positive.
    pub fn conflicts(&self) -> &[Conflict] {
        &self.conflicts
    }

    /// Words of the set that the taxonomy has no code for.
    pub fn unmapped(&self) -> &[String] {
        &self.unmapped
    }

    pub(crate) fn push_unmapped(&mut self, word: &str) {
        self.unmapped.push(word.to_owned());
    }

    /// Closes the labels under the taxonomy:
    /// positive children make parents positive (and [`ABNORMAL`]), uncertain children make parents at
    /// least uncertain, negative parents make children negative. A negative child says nothing
    /// about its parent. `no_finding` and `abnormal` are kept complementary.
    pub fn close(&mut self) {
        self.raise(LabelState::Positive);
        self.summarise();
        self.raise(LabelState::Uncertain);
        self.lower();
    }

    fn raise(&mut self, state: LabelState) {
        let codes: Vec<_> = self
            .iter()
            .filter(|(_, s)| *s == state)
            .map(|(c, _)| c)
            .collect();
        for child in codes {
            for parent in taxonomy::ancestors(child) {
                self.raise_parent(child, parent, state);
            }
        }
    }

    fn raise_parent(&mut self, child: &'static str, parent: &'static str, state: LabelState) {
        match (state, self.get(parent)) {
            (LabelState::Positive, old) => {
                if old == Some(LabelState::Negative) {
                    self.conflicts.push(Conflict { child, parent });
                }
                self.states.insert(parent, LabelState::Positive);
            }
            (_, None | Some(LabelState::NotMentioned)) => {
                self.states.insert(parent, state);
            }
            _ => {}
        }
    }

    fn summarise(&mut self) {
        use LabelState::{Negative, Positive};
        let shows = |c: &str| taxonomy::by_code(c).is_some_and(|t| t.implies_abnormal());
        let child = self
            .iter()
            .find(|(c, s)| *s == Positive && shows(c))
            .map(|(c, _)| c);
        if let Some(child) = child {
            if self.is_positive(NO_FINDING) {
                self.conflicts.push(Conflict {
                    child,
                    parent: ABNORMAL,
                });
            }
            self.states.insert(ABNORMAL, Positive);
        } else if self.is_positive(NO_FINDING) {
            self.states.insert(ABNORMAL, Negative);
        }
        match self.get(ABNORMAL) {
            Some(Positive) => self.states.insert(NO_FINDING, Negative),
            Some(Negative) => self.states.insert(NO_FINDING, Positive),
            _ => None,
        };
    }

    fn lower(&mut self) {
        let negative = |(_, s): &(&str, LabelState)| *s == LabelState::Negative;
        let parents: Vec<_> = self.iter().filter(negative).map(|(c, _)| c).collect();
        for child in parents.into_iter().flat_map(taxonomy::descendants) {
            if matches!(self.get(child), None | Some(LabelState::NotMentioned)) {
                self.states.insert(child, LabelState::Negative);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::LabelState::{Negative, NotMentioned, Positive, Uncertain};
    use super::*;

    fn closed(stated: &[(&str, LabelState)]) -> Labels {
        let mut l = Labels::default();
        for (c, s) in stated {
            l.set(c, *s).unwrap();
        }
        l.close();
        l
    }

    #[test]
    fn a_positive_child_raises_its_parents() {
        let l = closed(&[
            ("bacterial_pneumonia", Positive),
            ("lung_opacity", NotMentioned),
        ]);
        assert!(l.is_positive("pneumonia") && l.is_positive("lung_opacity"));
        assert!(l.is_positive(ABNORMAL));
        assert_eq!(l.get(NO_FINDING), Some(Negative));
        assert_eq!(l.get("viral_pneumonia"), None);
    }

    #[test]
    fn a_negative_child_says_nothing_of_its_parent() {
        let l = closed(&[("pneumonia", Negative)]);
        assert_eq!(l.get("lung_opacity"), None);
        assert_eq!(l.get("viral_pneumonia"), Some(Negative));
        assert_eq!(l.get(ABNORMAL), None);
    }

    #[test]
    fn a_contradiction_is_kept_and_the_positive_wins() {
        let l = closed(&[
            ("enlarged_cardiomediastinum", Negative),
            ("cardiomegaly", Positive),
        ]);
        assert!(l.is_positive("enlarged_cardiomediastinum"));
        let parent = "enlarged_cardiomediastinum";
        assert_eq!(
            l.conflicts(),
            [Conflict {
                child: "cardiomegaly",
                parent
            }]
        );
    }

    #[test]
    fn uncertainty_rises_but_does_not_overrule() {
        let l = closed(&[("nodule", Uncertain), ("lung_opacity", Negative)]);
        assert_eq!(l.get("lung_lesion"), Some(Uncertain));
        assert_eq!(l.get("lung_opacity"), Some(Negative));
        assert_eq!(l.get("nodule"), Some(Uncertain));
    }

    #[test]
    fn devices_are_not_abnormal() {
        let l = closed(&[("endotracheal_tube", Positive), (NO_FINDING, Positive)]);
        assert!(l.is_positive("support_devices"));
        assert_eq!(l.get(ABNORMAL), Some(Negative));
        assert!(l.conflicts().is_empty());
    }

    #[test]
    fn policies_make_numbers() {
        let p = |u| LabelPolicy {
            uncertain: u,
            unmentioned_is_negative: false,
        };
        assert_eq!(
            p(UncertainPolicy::Soft(0.6)).target(Some(Uncertain)),
            Some(0.6)
        );
        assert_eq!(p(UncertainPolicy::Ignore).target(Some(Uncertain)), None);
        assert_eq!(p(UncertainPolicy::One).target(Some(NotMentioned)), None);
        assert_eq!(LabelPolicy::IGNORE.target(Some(NotMentioned)), Some(0.0));
        assert!(p(UncertainPolicy::Soft(1.5)).validate().is_err());
    }
}
