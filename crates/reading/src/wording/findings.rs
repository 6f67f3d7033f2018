//! Sentences about findings, organ by organ: what is there, what may be there, what is not.

use super::answers::{Answer, Answers, own_evidence};
use super::draft::Draft;
use super::grammar::join;
use super::lexicon::{self, Organ};
use hilum_core::{Evidence, Finding};

/// Statements of what is present, with what it may be more narrowly.
pub(crate) fn present(answers: &Answers, organ: Organ, draft: &mut Draft) {
    let hedged = answers.hedged();
    for finding in answers
        .stated()
        .into_iter()
        .filter(|f| lexicon::organ(&f.code) == organ)
    {
        let narrower: Vec<&Finding> = hedged
            .iter()
            .filter(|f| {
                answers
                    .stated_parent(f)
                    .is_some_and(|parent| parent.code == finding.code)
            })
            .copied()
            .collect();
        let mut text = lexicon::statement(finding);
        if !narrower.is_empty() {
            let names: Vec<String> = narrower.iter().map(|f| lexicon::noun(f)).collect();
            text = format!(
                "{text}; possible {}, not decided by the model",
                join(&names, "or")
            );
        }
        let evidence = answers.evidence(finding).into_iter();
        draft.finding(
            &text,
            evidence.chain(narrower.into_iter().flat_map(own_evidence)),
        );
    }
}

/// Hedged sentences. Those above their operating point get one each, the others one together.
pub(crate) fn undecided(answers: &Answers, organ: Organ, draft: &mut Draft) {
    let open = answers
        .hedged()
        .into_iter()
        .filter(|f| lexicon::organ(&f.code) == organ);
    let open = open.filter(|f| answers.stated_parent(f).is_none());
    let (below, above): (Vec<_>, Vec<_>) = open.partition(|f| is_below(f));
    for finding in above {
        let text = format!(
            "possible {}, not decided by the model",
            lexicon::placed(finding)
        );
        draft.finding(&text, answers.evidence(finding));
    }
    let names: Vec<String> = below.iter().map(|f| lexicon::noun(f)).collect();
    let text = match names.len() {
        1 => format!(
            "possible {}, below its operating point and not decided by the model",
            names[0]
        ),
        _ => format!(
            "possible {}, below the operating points and not decided by the model",
            join(&names, "or")
        ),
    };
    draft.finding(&text, below.into_iter().flat_map(|f| answers.evidence(f)));
}

/// One sentence that denies the absent findings of an organ; `kept` may hold some back.
pub(crate) fn absent(
    answers: &Answers,
    organ: Organ,
    kept: impl Fn(&Finding) -> bool,
    draft: &mut Draft,
) {
    let denied = answers
        .denied()
        .into_iter()
        .filter(|f| lexicon::organ(&f.code) == organ && kept(f));
    let (diseases, signs): (Vec<_>, Vec<_>) = denied.partition(|f| lexicon::is_disease(&f.code));
    for (start, group) in [("no", signs), ("no features of", diseases)] {
        let names: Vec<String> = group.iter().map(|f| lexicon::noun(f)).collect();
        let text = format!("{start} {}", join(&names, "or"));
        draft.finding(&text, group.iter().map(|f| Evidence::finding(&f.code)));
    }
}

/// Models that contradict each other are named, not smoothed over.
pub(crate) fn conflicts(answers: &Answers, draft: &mut Draft) {
    for (narrow, broad) in answers.conflicts() {
        let text = format!(
            "the answers of the models disagree: {} present, {} absent",
            lexicon::noun(narrow),
            lexicon::noun(broad)
        );
        draft.finding(
            &text,
            [
                Evidence::finding(&narrow.code),
                Evidence::finding(&broad.code),
            ],
        );
    }
}

/// Findings with a score but no conformal set, and findings that nobody looked for.
pub(crate) fn unsaid(answers: &Answers, draft: &mut Draft) {
    for (start, wanted) in [
        ("scored without a decision", Answer::Undetermined),
        ("not assessed", Answer::NotAssessed),
    ] {
        let group = answers.with(wanted);
        let names: Vec<String> = group.iter().map(|f| lexicon::noun(f)).collect();
        draft.finding(
            &format!("{start}: {}", join(&names, "and")),
            group.iter().map(|f| Evidence::finding(&f.code)),
        );
    }
}

/// Whether the image is below the finding's operating point.
pub(crate) fn is_below(finding: &Finding) -> bool {
    finding
        .operating_point
        .as_ref()
        .is_some_and(|point| !point.positive)
}
