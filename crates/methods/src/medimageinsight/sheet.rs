//! The evidence sheet: films with the known films that speak for them.

use super::films::Film;
use super::outcome::{References, Run};
use crate::blocks::figures::{base64, escape, grey, png};
use crate::blocks::stored::write_text;
use crate::context::Context;
use crate::error::Result;
use std::fmt::Write as _;
use std::path::PathBuf;

/// Writes `evidence.html`, whole in itself.
///
/// # Errors
/// A folder that cannot be written.
pub fn write(
    ctx: &Context<'_>,
    films: &[Film],
    references: &References,
    run: &Run,
) -> Result<PathBuf> {
    let mut body = String::new();
    for one in &run.shown {
        let film = &films[one.film];
        let _ = write!(
            body,
            "<section><h2>{}</h2><p>Vote for {} {:.2}. Its own labels: {}.</p>{}<div>{}",
            escape(&film.id),
            escape(film.domain.question()),
            one.score,
            escape(&film.terms.join(", ")),
            reports(references, run, one.film),
            figure(film, "asked")?,
        );
        for (at, cosine) in &one.neighbours {
            body.push_str(&figure(&films[*at], &format!("cosine {cosine:.3}"))?);
        }
        body.push_str("</div></section>\n");
    }
    let path = ctx.run_folder("medimageinsight").join("evidence.html");
    write_text(&path, &page(&body))?;
    Ok(path)
}

/// What was written of a film, by whom; nothing for films without a report.
fn reports(references: &References, run: &Run, film: usize) -> String {
    let Some(at) = references.films.iter().position(|f| *f == film) else {
        return String::new();
    };
    let mut out = "<dl>".to_owned();
    let own = [("its report", references.texts.get(at))];
    let by = run.reports.iter();
    let others = by.map(|w| (w.reporter.name(), w.texts.get(at)));
    for (who, text) in own.into_iter().chain(others) {
        let text = escape(text.map_or("", String::as_str));
        let _ = write!(out, "<dt>{who}</dt><dd>{text}</dd>");
    }
    out + "</dl>"
}

/// A film with what is known of it.
fn figure(film: &Film, how: &str) -> Result<String> {
    let bytes = png(&grey(&film.plane))?;
    // What a neighbour's labels and report say is what its vote stands on.
    let labels = escape(&film.terms.join(", "));
    let report = film
        .report
        .as_deref()
        .map_or(String::new(), |text| format!("<br><q>{}</q>", escape(text)));
    Ok(format!(
        "<figure><img alt=\"{labels}\" src=\"data:image/png;base64,{}\"><figcaption>{}<br>{labels}{report}</figcaption></figure>",
        base64(&bytes),
        escape(how),
    ))
}

fn page(body: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Evidence</title>\
<style>body{{font-family:sans-serif;margin:2rem}}div{{display:flex;flex-wrap:wrap;gap:1rem}}figure{{margin:0;width:11rem;font-size:.8rem}}\
img{{width:10rem;image-rendering:pixelated}}dt{{font-weight:bold}}dd{{margin:0 0 .4rem 1rem}}</style></head><body><h1>Films and the known films that are most like them</h1>\
<p>Left the film that is asked, then its nearest neighbours among the training films, with the cosine of the vectors and what is known of them. \
Research software, not a medical device.</p>\n{body}</body></html>\n"
    )
}
