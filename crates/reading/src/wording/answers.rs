//! What each finding answered, and how the answers hang together under the taxonomy.

use super::{lexicon, place};
use hilum_core::taxonomy;
use hilum_core::{Evidence, Finding, FindingStatus, PredictionSet, Reading};

/// The answer that wording goes by. The conformal set decides, never the bare probability.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    Present,
    Absent,
    Undecided,
    /// Scored by a model, but without a conformal set: nothing can be said.
    Undetermined,
    NotAssessed,
}

/// The answer of one finding.
pub(crate) fn answer(finding: &Finding) -> Answer {
    match (finding.status, finding.set) {
        (FindingStatus::NotAssessed, _) => Answer::NotAssessed,
        (FindingStatus::Assessed, Some(PredictionSet::Present)) => Answer::Present,
        (FindingStatus::Assessed, Some(PredictionSet::Absent)) => Answer::Absent,
        (FindingStatus::Assessed, Some(PredictionSet::Undecided)) => Answer::Undecided,
        (FindingStatus::Assessed, None) => Answer::Undetermined,
    }
}

/// The findings of a reading by answer, statements about the whole image set apart.
pub(crate) struct Answers<'a> {
    all: Vec<&'a Finding>,
    /// `abnormal` and `no_finding`, when listed.
    pub(crate) summaries: Vec<&'a Finding>,
}

impl<'a> Answers<'a> {
    pub(crate) fn of(reading: &'a Reading) -> Self {
        let (summaries, all) = reading
            .findings
            .iter()
            .partition(|f| lexicon::is_summary(&f.code));
        Answers { all, summaries }
    }

    /// Findings with this answer, in the order of the reading.
    pub(crate) fn with(&self, wanted: Answer) -> Vec<&'a Finding> {
        self.all
            .iter()
            .filter(|finding| answer(finding) == wanted)
            .copied()
            .collect()
    }

    /// Present findings to be written. A finding that a narrower present one already says
    /// (lung opacity beside consolidation in the same place) is left to that one.
    pub(crate) fn stated(&self) -> Vec<&'a Finding> {
        let present = self.with(Answer::Present);
        let kept = present
            .iter()
            .filter(|broad| !present.iter().any(|narrow| says_all_of(narrow, broad)));
        kept.copied().collect()
    }

    /// The finding's own evidence and that of the broader present or undecided findings it stands for.
    pub(crate) fn evidence(&self, finding: &Finding) -> Vec<Evidence> {
        let mut evidence = own_evidence(finding);
        for broad in self
            .all
            .iter()
            .filter(|f| taxonomy::is_kind_of(&finding.code, &f.code))
        {
            let merged = match answer(broad) {
                Answer::Present => says_all_of(finding, broad),
                Answer::Undecided => true,
                _ => false,
            };
            if merged {
                evidence.extend(own_evidence(broad));
            }
        }
        evidence
    }

    /// Undecided findings to be written: not those that a narrower present or undecided one implies.
    pub(crate) fn hedged(&self) -> Vec<&'a Finding> {
        let mut narrower = self.with(Answer::Present);
        narrower.extend(self.with(Answer::Undecided));
        let implied = |f: &Finding| {
            narrower
                .iter()
                .any(|n| taxonomy::is_kind_of(&n.code, &f.code))
        };
        self.with(Answer::Undecided)
            .into_iter()
            .filter(|f| !implied(f))
            .collect()
    }

    /// Absent findings that may be denied: not those whose denial would contradict a narrower
    /// finding that is present or undecided.
    pub(crate) fn denied(&self) -> Vec<&'a Finding> {
        let open = self.open();
        let contradicted =
            |f: &Finding| open.iter().any(|n| taxonomy::is_kind_of(&n.code, &f.code));
        self.with(Answer::Absent)
            .into_iter()
            .filter(|f| !contradicted(f))
            .collect()
    }

    /// Pairs of a present finding and a broader one that was answered absent: the models disagree.
    pub(crate) fn conflicts(&self) -> Vec<(&'a Finding, &'a Finding)> {
        let absent = self.with(Answer::Absent);
        let mut pairs = Vec::new();
        for narrow in self.with(Answer::Present) {
            let broader = absent
                .iter()
                .filter(|broad| taxonomy::is_kind_of(&narrow.code, &broad.code));
            pairs.extend(broader.map(|broad| (narrow, *broad)));
        }
        pairs
    }

    /// The narrowest stated finding above `finding`, to which a "possibly" can be attached.
    pub(crate) fn stated_parent(&self, finding: &Finding) -> Option<&'a Finding> {
        let above = self
            .stated()
            .into_iter()
            .filter(|f| taxonomy::is_kind_of(&finding.code, &f.code));
        above.max_by_key(|f| taxonomy::ancestors(&f.code).len())
    }

    fn open(&self) -> Vec<&'a Finding> {
        let mut open = self.with(Answer::Present);
        open.extend(self.with(Answer::Undecided));
        open
    }
}

/// The finding and its regions.
pub(crate) fn own_evidence(finding: &Finding) -> Vec<Evidence> {
    let regions = finding
        .regions
        .iter()
        .map(|region| Evidence::region(&region.id));
    std::iter::once(Evidence::finding(&finding.code))
        .chain(regions)
        .collect()
}

/// True when stating `narrow` leaves nothing of `broad` unsaid, its places included.
fn says_all_of(narrow: &Finding, broad: &Finding) -> bool {
    let said = place::places(&narrow.regions);
    taxonomy::is_kind_of(&narrow.code, &broad.code)
        && place::places(&broad.regions)
            .iter()
            .all(|place| said.contains(place))
}
