//! The evidence sheet: films with the known films that speak for them.

use super::films::Film;
use super::outcome::Shown;
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
pub fn write(ctx: &Context<'_>, films: &[Film], shown: &[Shown]) -> Result<PathBuf> {
    let mut body = String::new();
    for one in shown {
        let film = &films[one.film];
        let _ = write!(
            body,
            "<section><h2>{}</h2><p>Vote for any finding {:.2}. Its own labels: {}.</p><div>{}",
            escape(&film.id),
            one.score,
            escape(&film.terms.join(", ")),
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

/// A film with what is known of it.
fn figure(film: &Film, how: &str) -> Result<String> {
    let bytes = png(&grey(&film.plane))?;
    // What a neighbour's labels or report say is what its vote stands on.
    let text = escape(&film.text(0));
    Ok(format!(
        "<figure><img alt=\"{text}\" src=\"data:image/png;base64,{}\"><figcaption>{}<br>{text}</figcaption></figure>",
        base64(&bytes),
        escape(how),
    ))
}

fn page(body: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Evidence</title>\
<style>body{{font-family:sans-serif;margin:2rem}}div{{display:flex;flex-wrap:wrap;gap:1rem}}figure{{margin:0;width:11rem;font-size:.8rem}}\
img{{width:10rem;image-rendering:pixelated}}</style></head><body><h1>Films and the known films that are most like them</h1>\
<p>Left the film that is asked, then its nearest neighbours among the training films, with the cosine of the vectors and what is known of them. \
Research software, not a medical device.</p>\n{body}</body></html>\n"
    )
}
