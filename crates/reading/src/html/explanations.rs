//! Why the network answered so: attribution maps with a verdict in words.

use hilum_core::{Explanation, Finding, MapTrust, Reading};
use maud::{Markup, html};

pub(super) fn panel(reading: &Reading) -> Markup {
    let explained: Vec<(usize, &Finding)> = reading
        .findings
        .iter()
        .enumerate()
        .filter(|(_, f)| !f.explanations.is_empty())
        .collect();
    if explained.is_empty() {
        return html! {};
    }
    let several = reading.images.len() > 1;
    html! {
        section.panel.explanations aria-labelledby="explanations-title" {
            h2 #explanations-title { "Where the network looked" }
            @for (n, finding) in explained {
                h3 { (finding.name) }
                ul.maps { @for explanation in &finding.explanations { (item(n, explanation, several)) } }
            }
            p.legend {
                "Each map is judged by taking away, and putting in, pixels in its order, beside the same map moved to random places. "
                "A believable map shows where the network looked, not that the finding is there."
            }
        }
    }
}

fn item(n: usize, explanation: &Explanation, several: bool) -> Markup {
    let (class, word, text) = verdict(explanation);
    let shown = explanation.trust.is_some();
    html! {
        li {
            @if shown {
                button type="button" data-map=(map_key(n, explanation)) aria-pressed="false"
                    aria-label={ "Show the map " (method_name(&explanation.method)) } { "Show" }
            }
            div {
                strong { (method_name(&explanation.method)) }
                @if several { small.inline { " image " (explanation.image + 1) } }
                " " span class={ "badge " (class) } { (word) }
                p { (text) }
                @if let Some(trust) = &explanation.trust { small { (numbers(trust)) } }
            }
        }
    }
}

/// Key of the map among the layers.
fn map_key(finding: usize, explanation: &Explanation) -> String {
    match explanation.method.as_str() {
        "cam" => finding.to_string(),
        method => layer_key(finding, method),
    }
}

/// Key of an attribution among the layers.
pub(super) fn layer_key(finding: usize, method: &str) -> String {
    format!("{finding}:{method}")
}

/// `cam` is the map that every reading has.
pub(super) fn method_name(method: &str) -> &str {
    match method {
        "cam" => "class activation map",
        other => other,
    }
}

fn verdict(explanation: &Explanation) -> (&'static str, &'static str, String) {
    match &explanation.trust {
        None => (
            "caution",
            "no map",
            explanation.note.clone().unwrap_or_default(),
        ),
        Some(trust) => {
            let (class, word) = match trust.trusted {
                true => ("ok", "believable"),
                false => ("stop", "not to be trusted"),
            };
            (class, word, crate::wording::map_verdict(trust))
        }
    }
}

fn numbers(t: &MapTrust) -> String {
    format!(
        "deletion {:.3} (moved {:.3}, lower is better), insertion {:.3} (moved {:.3}, higher is better), p {:.2}",
        t.deletion, t.random_deletion, t.insertion, t.random_insertion, t.p
    )
}
