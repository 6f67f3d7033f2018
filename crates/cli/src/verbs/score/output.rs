//! What `hilum score` prints.

use super::statistics::Extra;
use anyhow::{Context, Result};
use hilum_text::nlg::Score;
use hilum_text::score::{METRICS, ScoreReport};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;

/// The list of metrics, a table in Markdown.
pub fn list() -> String {
    let mut out = String::from(
        "| name | scores | what | better | null when | reference |\n| --- | --- | --- | --- | --- | --- |\n",
    );
    for info in METRICS {
        let members: Vec<String> = info.members.iter().map(|m| format!("`{m}`")).collect();
        let better = match info.higher_is_better {
            Some(true) => "higher",
            Some(false) => "lower",
            None => "neither",
        };
        out += &format!(
            "| `{}` | {} | {} | {better} | {} | {} |\n",
            info.name,
            members.join(", "),
            info.title,
            info.undefined,
            info.reference
        );
    }
    out
}

/// The contract for scripts: `{"metrics":{name:{"value","per_sample","signature",...}},...}`.
pub fn json(report: &ScoreReport, extra: &Extra) -> Result<String> {
    let mut value = serde_json::to_value(report)?;
    for (name, interval) in &extra.intervals {
        merge(&mut value["metrics"][name], json!(interval));
    }
    for (name, comparison) in &extra.comparisons {
        value["metrics"][name]["compare"] = json!(comparison);
    }
    Ok(value.to_string() + "\n")
}

fn merge(into: &mut Value, from: Value) {
    if let (Value::Object(into), Value::Object(from)) = (into, from) {
        into.extend(from);
    }
}

fn number(value: Option<f64>) -> String {
    value.map_or("null".to_owned(), |v| format!("{v:.4}"))
}

/// For reading: a line a score, then what was odd and what was not scored.
pub fn table(report: &ScoreReport, extra: &Extra) -> Result<String> {
    let mut out = String::new();
    for (name, score) in &report.metrics {
        let interval = extra
            .intervals
            .get(name)
            .map_or(String::new(), |i| match &i.ci {
                Some(ci) => format!(" [{:.4}, {:.4}]", ci.low, ci.high),
                None => " [null]".to_owned(),
            });
        writeln!(
            out,
            "{name:<30} {:>10}{interval}  {}",
            number(score.value),
            score.signature
        )?;
        for reason in reasons(name, score, extra) {
            writeln!(out, "{:<30} {reason}", "")?;
        }
    }
    if !extra.comparisons.is_empty() {
        writeln!(
            out,
            "\nagainst the other system: its value, the difference, p (Holm)"
        )?;
    }
    for (name, c) in &extra.comparisons {
        let interval = c.interval.ci.as_ref().map_or(String::new(), |ci| {
            format!(" [{:.4}, {:.4}]", ci.low, ci.high)
        });
        let p = |p: Option<f64>| p.map_or("null".to_owned(), |p| format!("{p:.4}"));
        writeln!(
            out,
            "{name:<30} {:>10} {:>10}{interval}  p {} ({})",
            number(c.other),
            number(c.difference),
            p(c.p),
            p(c.p_holm)
        )?;
    }
    for (kind, count) in &report.checks.counts {
        writeln!(out, "check: {count} texts are {}", kind.replace('_', " "))?;
    }
    if let Some(share) = report.checks.constant {
        writeln!(
            out,
            "check: {:.0} % of the texts are the same",
            100.0 * share
        )?;
    }
    for problem in &report.problems {
        writeln!(
            out,
            "not scored: {} line {}: {}",
            problem.side, problem.error.line, problem.error.message
        )?;
    }
    let counts = report.counts;
    writeln!(
        out,
        "{} texts scored; {} references, {} hypotheses, {} rows not scored",
        counts.scored, counts.references, counts.hypotheses, counts.problems
    )?;
    Ok(out)
}

fn reasons<'a>(
    name: &str,
    score: &'a Score,
    extra: &'a Extra,
) -> impl Iterator<Item = String> + 'a {
    let nulls = score.per_sample.iter().filter(|v| v.is_none()).count();
    let of_samples = score.per_sample_reason.as_ref().map(|r| {
        let what = if score.samples.is_some() {
            "patients"
        } else {
            "texts"
        };
        format!("{nulls} {what} are null: {r}")
    });
    let of_interval = extra
        .intervals
        .get(name)
        .and_then(|i| i.ci_reason.clone())
        .map(|r| format!("no interval: {r}"));
    score
        .reason
        .clone()
        .into_iter()
        .chain(of_samples)
        .chain(of_interval)
}

/// A score whose samples are no texts, if there is one.
pub fn of_other_samples(report: &ScoreReport) -> Option<&str> {
    let mut scores = report.metrics.iter();
    let found = scores.find(|(_, score)| score.samples.is_some());
    found.map(|(name, _)| name.as_str())
}

/// One row a text: its id and every score, as CSV or JSON Lines.
pub fn write_per_sample(report: &ScoreReport, path: &Path) -> Result<()> {
    let file = File::create(path).with_context(|| path.display().to_string())?;
    let mut out = BufWriter::new(file);
    let csv = path
        .extension()
        .is_some_and(|e| e.eq_ignore_ascii_case("csv"));
    if csv {
        let names: Vec<&str> = report.metrics.keys().map(String::as_str).collect();
        writeln!(out, "id,{}", names.join(","))?;
    }
    for (i, id) in report.ids.iter().enumerate() {
        if csv {
            write!(out, "{}", quoted(id))?;
            for score in report.metrics.values() {
                write!(
                    out,
                    ",{}",
                    score.per_sample[i].map_or(String::new(), |v| v.to_string())
                )?;
            }
            writeln!(out)?;
        } else {
            let scores: serde_json::Map<String, Value> = report
                .metrics
                .iter()
                .map(|(name, s)| (name.clone(), json!(s.per_sample[i])))
                .collect();
            writeln!(out, "{}", json!({ "id": id, "scores": scores }))?;
        }
    }
    out.flush()?;
    Ok(())
}

/// A CSV field, in quotes where it needs them.
fn quoted(field: &str) -> String {
    if field.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", field.replace('"', "\"\""))
    } else {
        field.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_with_commas_are_quoted_and_every_metric_is_listed() {
        assert_eq!(quoted("a,\"b\""), "\"a,\"\"b\"\"\"");
        assert_eq!(list().lines().count(), METRICS.len() + 2);
    }
}
