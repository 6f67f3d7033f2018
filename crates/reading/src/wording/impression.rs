//! The impression: what matters, in few sentences, with what stays open.

use super::answers::{Answer, Answers, own_evidence};
use super::draft::Draft;
use super::findings::is_below;
use super::grammar::{count, join};
use super::{lexicon, measurements};
use hilum_core::measurement::CARDIOTHORACIC_RATIO;
use hilum_core::{Evidence, Finding, Reading};

/// Writes the impression.
pub(crate) fn write(reading: &Reading, answers: &Answers, draft: &mut Draft) {
    present(answers, draft);
    let enlarged = enlarged_heart(reading, answers, draft);
    undecided(answers, draft);
    let open = answers.with(Answer::Present).len() + answers.with(Answer::Undecided).len();
    if open == 0 && !enlarged {
        nothing_present(answers, draft);
    }
    summary(answers, open == 0 && !enlarged, draft);
    limits(answers, draft);
}

/// Present findings, urgent ones first, then diseases, then signs.
fn present(answers: &Answers, draft: &mut Draft) {
    let mut stated = answers.stated();
    stated.sort_by_key(|f| (!lexicon::is_urgent(&f.code), !lexicon::is_disease(&f.code)));
    for finding in stated {
        draft.impression(&lexicon::statement(finding), answers.evidence(finding));
    }
}

/// An enlarged heart by the ratio, unless cardiomegaly is already stated.
fn enlarged_heart(reading: &Reading, answers: &Answers, draft: &mut Draft) -> bool {
    let stated = answers
        .with(Answer::Present)
        .iter()
        .any(|finding| finding.code == "cardiomegaly");
    let enlarged = measurements::shows_enlarged_heart(reading);
    if enlarged && !stated {
        draft.impression(
            "enlarged heart by the cardiothoracic ratio",
            [Evidence::measurement(CARDIOTHORACIC_RATIO)],
        );
    }
    enlarged
}

fn undecided(answers: &Answers, draft: &mut Draft) {
    let (below, hedged): (Vec<_>, Vec<_>) = answers.hedged().into_iter().partition(|f| is_below(f));
    let names: Vec<String> = hedged.iter().map(|f| lexicon::noun(f)).collect();
    let text = format!("possible {}, not decided by the model", join(&names, "or"));
    draft.impression(&text, hedged.into_iter().flat_map(own_evidence));
    // Those below their operating points are named in the findings; here they are only counted.
    let verb = if below.len() == 1 { "is" } else { "are" };
    let text = format!(
        "{} below the operating point {verb} not decided by the model",
        count(below.len(), "finding")
    );
    draft.impression(&text, below.into_iter().flat_map(own_evidence));
}

fn nothing_present(answers: &Answers, draft: &mut Draft) {
    let absent = answers.with(Answer::Absent);
    let text = match absent.len() {
        1 => format!(
            "no {}; no other finding was decided",
            lexicon::noun(absent[0])
        ),
        n => format!(
            "none of the {} decided by the model is present",
            count(n, "finding")
        ),
    };
    draft.impression(&text, absent.iter().map(|f| Evidence::finding(&f.code)));
}

/// What the model for the whole image says, where the findings do not already say it.
fn summary(answers: &Answers, nothing_open: bool, draft: &mut Draft) {
    for finding in &answers.summaries {
        let abnormal = finding.code == hilum_core::taxonomy::ABNORMAL;
        let text = match (super::answers::answer(finding), abnormal) {
            (Answer::Present, true) | (Answer::Absent, false) if nothing_open => {
                "the radiograph is abnormal as a whole by the model, without a single finding that is decided"
            }
            (Answer::Absent, true) | (Answer::Present, false) if nothing_open => {
                "the radiograph as a whole is answered as without abnormality by the model"
            }
            (Answer::Absent, true) | (Answer::Present, false) if has_abnormal(answers) => {
                disagreement(finding, answers, draft);
                continue;
            }
            (Answer::Undecided, _) => {
                "whether the radiograph as a whole is abnormal is not decided by the model"
            }
            _ => continue,
        };
        draft.impression(text, own_evidence(finding));
    }
}

fn has_abnormal(answers: &Answers) -> bool {
    answers
        .with(Answer::Present)
        .iter()
        .any(|finding| is_abnormal(finding))
}

fn is_abnormal(finding: &Finding) -> bool {
    hilum_core::taxonomy::by_code(&finding.code).is_none_or(|taxon| taxon.implies_abnormal())
}

fn disagreement(whole: &Finding, answers: &Answers, draft: &mut Draft) {
    let present = answers
        .with(Answer::Present)
        .into_iter()
        .filter(|f| is_abnormal(f));
    let evidence = present.map(|f| Evidence::finding(&f.code));
    draft.impression(
        "the answers of the models disagree: the radiograph as a whole is answered as without abnormality",
        std::iter::once(Evidence::finding(&whole.code)).chain(evidence),
    );
}

/// What cannot be excluded because nobody looked.
fn limits(answers: &Answers, draft: &mut Draft) {
    let missing = answers.with(Answer::NotAssessed);
    let verb = if missing.len() == 1 { "was" } else { "were" };
    let text = format!(
        "{} {verb} not assessed and cannot be excluded",
        count(missing.len(), "finding")
    );
    draft.impression(&text, missing.iter().map(|f| Evidence::finding(&f.code)));
}
