//! From a reading to its draft report.
//!
//! Wording is driven by the conformal set of each finding: *present* gives a plain statement, with
//! its place where regions have one; *undecided* gives `possible ..., not decided by the model`;
//! *absent* gives a negative statement; what was not assessed is listed as such and never denied.
//! Sentences come to be in one place that refuses those without evidence. Nothing is compared with
//! an earlier study, since none is read.
//!
//! The statements follow the taxonomy: a broader finding is not repeated beside a narrower one in the
//! same place, is not denied while a narrower one is present or possible, and where the models
//! contradict each other the report says so.

mod answers;
mod beside;
mod draft;
mod findings;
mod grammar;
mod impression;
mod lexicon;
mod measurements;
mod place;
mod study;

#[cfg(test)]
mod tests;

pub(crate) use answers::{Answer, answer};
pub(crate) use beside::{map_verdict, uncertainty_lines};

use answers::Answers;
use draft::Draft;
use hilum_core::{Reading, Report};
use lexicon::Organ;

/// Writes the draft report of `reading`; the report it may already carry is not looked at.
///
/// Every sentence has evidence that exists in the reading. A study stopped by the gate gets a report
/// that says so and why, and nothing about findings.
///
/// ```
/// # let mut reading = hilum_reading::sample::reading();
/// reading.report = hilum_reading::write_report(&reading);
/// assert!(reading.report.sentences.iter().all(|sentence| !sentence.evidence.is_empty()));
/// ```
pub fn write_report(reading: &Reading) -> Report {
    let mut draft = Draft::default();
    if !reading.gate.analysable {
        study::blocked(reading, &mut draft);
        return draft.finish();
    }
    let answers = Answers::of(reading);
    study::technique(reading, &mut draft);
    study::cautions(reading, &mut draft);
    for organ in Organ::ALL {
        write_organ(reading, &answers, organ, &mut draft);
    }
    findings::conflicts(&answers, &mut draft);
    findings::unsaid(&answers, &mut draft);
    impression::write(reading, &answers, &mut draft);
    draft.finish()
}

fn write_organ(reading: &Reading, answers: &Answers, organ: Organ, draft: &mut Draft) {
    findings::present(answers, organ, draft);
    findings::undecided(answers, organ, draft);
    match organ {
        Organ::Lungs => measurements::opacity(reading, answers, draft),
        Organ::Heart => measurements::heart(reading, answers, draft),
        Organ::Pleura | Organ::ChestWall | Organ::Devices => {}
    }
    // Where ruler and model disagree on the heart, the disagreement is told instead of the denial.
    let enlarged = measurements::shows_enlarged_heart(reading);
    let kept =
        |code: &str| !(enlarged && matches!(code, "cardiomegaly" | "enlarged_cardiomediastinum"));
    findings::absent(answers, organ, |finding| kept(&finding.code), draft);
}
