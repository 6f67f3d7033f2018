//! The explanation sheet: which concepts speak for a class, and which spoke for a film.

use super::layer::{largest, scale};
use super::outcome::{Arm, Model, Outcome, Run};
use crate::blocks::figures::escape;
use crate::blocks::films::FINDINGS;
use std::fmt::Write as _;

/// Films shown of either class.
const FILMS: usize = 4;
/// Concepts shown of a film.
const CONCEPTS: usize = 6;

/// A page of the first seed's concept models under the strongest tie; without pictures, because films may not be passed on.
pub fn page(outcome: &Outcome) -> String {
    let mut body = String::new();
    if let Some(run) = outcome.runs.first() {
        let strongest = outcome.config.strongest();
        let is = |a: &&Arm| {
            a.model == Model::Concepts && a.strength == strongest && a.size.is_none() && a.set == 0
        };
        for arm in run.arms.iter().filter(is) {
            class_level(outcome, run, arm, &mut body);
            film_level(outcome, run, arm, &mut body);
        }
    }
    format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Concepts</title><body><h1>Concepts</h1><p>Research only. A weight above 0 speaks for a finding, one below 0 against.</p>{body}</body></html>\n"
    )
}

fn class_level(outcome: &Outcome, run: &Run, arm: &Arm, body: &mut String) {
    let _ = write!(
        body,
        "<h2>Label tied to {}</h2><table><tr><th>concept</th><th>elicited for</th><th>weight</th></tr>",
        arm.nuisance.name()
    );
    for k in largest(&arm.weights) {
        let concept = &outcome.bank[run.kept[k]];
        let class = ["none", "finding"][concept.class];
        let _ = write!(
            body,
            "<tr><td>{}</td><td>{class}</td><td>{:+.2}</td></tr>",
            escape(&concept.sentence),
            arm.weights[k]
        );
    }
    body.push_str("</table>");
}

/// Films of either class, with what each concept adds over its mean over the test films.
fn film_level(outcome: &Outcome, run: &Run, arm: &Arm, body: &mut String) {
    let wide = |r: &Vec<f32>| r.iter().map(|v| f64::from(*v)).collect();
    let scores: Vec<Vec<f64>> = run.patch.iter().map(wide).collect();
    let x = scale(&scores, &arm.range);
    let n = x.len().max(1) as f64;
    let means: Vec<f64> = (0..arm.weights.len())
        .map(|k| x.iter().map(|r| r[k]).sum::<f64>() / n)
        .collect();
    let truth = &outcome.ties[0].y;
    for class in [true, false] {
        let films = (0..x.len()).filter(|&i| truth[i] == class).take(FILMS);
        for i in films {
            let adds: Vec<f64> = (0..means.len())
                .map(|k| arm.weights[k] * (x[i][k] - means[k]))
                .collect();
            let said = if arm.said[i] { "a finding" } else { "none" };
            let _ = write!(
                body,
                "<h3>{}</h3><p>Said: {said}. Labels: {}.</p><table><tr><th>concept</th><th>score</th><th>adds</th><th>patch</th></tr>",
                escape(&outcome.films[i]),
                labels(&outcome.findings[i])
            );
            for k in largest(&adds).into_iter().take(CONCEPTS) {
                let _ = write!(
                    body,
                    "<tr><td>{}</td><td>{:.2}</td><td>{:+.2}</td><td>{}</td></tr>",
                    escape(&outcome.bank[run.kept[k]].sentence),
                    x[i][k],
                    adds[k],
                    run.at[i][k]
                );
            }
            body.push_str("</table>");
        }
    }
}

fn labels(findings: &[Option<bool>]) -> String {
    let there: Vec<&str> = findings
        .iter()
        .zip(FINDINGS)
        .filter(|(f, _)| **f == Some(true))
        .map(|(_, name)| name)
        .collect();
    if there.is_empty() {
        "none".to_owned()
    } else {
        there.join(", ")
    }
}
