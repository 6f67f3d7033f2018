//! `hilum methods`: what is there, and whether it holds.

use crate::exit::Code;
use anyhow::Result;
use hilum_methods::claims::{ResultFile, data_name, verdict_word};
use hilum_methods::{MethodInfo, registry};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::io::Write;
use std::path::Path;

/// Results that were there when the program was built: name and JSON.
static RESULTS: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/results.rs"));

/// List the methods.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// One JSON array: {card,name,title,tasks,data,holds}
    #[arg(long)]
    json: bool,
    /// A table in Markdown
    #[arg(long, conflicts_with = "json")]
    markdown: bool,
}

/// Runs the verb.
pub fn run(args: &Args) -> Result<Code> {
    let text = if args.json {
        serde_json::to_string_pretty(&rows(Path::new(".")))? + "\n"
    } else if args.markdown {
        markdown(Path::new("."))
    } else {
        plain(Path::new("."))
    };
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(Code::Success)
}

/// The result of a method: one under `bench/results` of the folder where the program is run, else the one
/// that it was built with. Tiny runs do not count.
fn result(here: &Path, name: &str) -> Option<ResultFile> {
    // A damaged file is said, and does not hide behind the one of the build.
    let fresh = match ResultFile::read(&here.join("bench/results"), name) {
        Ok(found) => found.filter(|r| !r.tiny),
        Err(error) => {
            eprintln!("hilum: {error}");
            return None;
        }
    };
    let built = || {
        RESULTS
            .iter()
            .find(|(n, _)| *n == name)
            .and_then(|(_, text)| serde_json::from_str(text).ok())
    };
    fresh.or_else(built).filter(|r: &ResultFile| !r.tiny)
}

/// All methods as `--json` lists them, each with its claim, its link, its plots and the result file, rows and all.
#[cfg(feature = "node")]
pub fn catalogue(here: &Path) -> Value {
    let more = |(info, mut row): (&MethodInfo, Value)| {
        row["claim"] = json!(info.claim);
        row["link"] = json!(info.link);
        let mut result = result(here, info.name);
        row["rows"] = json!(result.as_ref().map_or(&[][..], |r| &r.rows));
        row["plots"] = json!(result.as_mut().map(|r| std::mem::take(&mut r.curves)));
        row["result"] = json!(result);
        row
    };
    let infos = registry::all().iter().map(|m| m.info());
    infos.zip(rows(here)).map(more).collect()
}

fn rows(here: &Path) -> Vec<Value> {
    let row = |info: &MethodInfo| {
        let holds = result(here, info.name).and_then(|r| r.holds);
        json!({
            "card": info.card,
            "name": info.name,
            "title": info.title,
            "tasks": info.tasks,
            "data": data_name(info.data),
            "holds": holds,
        })
    };
    registry::all().iter().map(|m| row(m.info())).collect()
}

fn state(found: Option<&ResultFile>) -> &'static str {
    found.map_or("not reproduced", |r| verdict_word(r.holds))
}

fn plain(here: &Path) -> String {
    let mut out = String::new();
    for info in registry::all().iter().map(|m| m.info()) {
        let found = result(here, info.name);
        let card = info.card.map_or("  ".to_owned(), |c| format!("{c:02}"));
        let _ = writeln!(
            out,
            "{card}  {:<20} {:<15} {}",
            info.name,
            state(found.as_ref()),
            info.title
        );
        let _ = writeln!(out, "    {:<20} claim: {}", "", info.claim);
        if let Some(here) = found.as_ref().and_then(|r| r.here) {
            let _ = writeln!(out, "    {:<20} here:  {here:.3}", "");
        }
    }
    out
}

fn markdown(here: &Path) -> String {
    let mut out = String::from(
        "| card | name | title | data | claim | here | 95 % interval | verdict |\n| --- | --- | --- | --- | --- | --- | --- | --- |\n",
    );
    for info in registry::all().iter().map(|m| m.info()) {
        let found = result(here, info.name);
        let value = found
            .as_ref()
            .and_then(|r| r.here)
            .map_or("-".to_owned(), |v| format!("{v:.3}"));
        let interval = found
            .as_ref()
            .and_then(|r| r.interval)
            .map_or("-".to_owned(), |(a, b)| format!("{a:.3} to {b:.3}"));
        let card = info.card.map_or("-".to_owned(), |c| format!("{c:02}"));
        let _ = writeln!(
            out,
            "| {card} | `{}` | [{}]({}) | {} | {} | {value} | {interval} | {} |",
            info.name,
            info.title,
            info.link,
            data_name(info.data),
            info.claim,
            state(found.as_ref())
        );
    }
    out
}
