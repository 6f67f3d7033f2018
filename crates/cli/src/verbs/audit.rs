//! `hilum audit`: is a model right for the right reason, for whom does it fail, since when, and which labels are wrong.

use crate::exit::{Code, Usage};
use crate::places;
use crate::verbs::audit_shortcut;
use crate::verbs::calibrate::kind;
use crate::verbs::labelled::{self, Input, InputOptions};
use anyhow::{Context, Result, bail};
use hilum_audit::drift::{self, Every, Trend};
use hilum_audit::groups::{self, Figure, Gap, GroupAudit, GroupOptions, Grouping, Threshold};
use hilum_audit::labels::{LabelNoise, binary_label_noise};
use hilum_audit::plot::{self, ForestRow};
use hilum_audit::{Labelled, Measure, ScoreKind, ScoreTable};
use hilum_image::{Limits, Recipe};
use hilum_metrics::calibration::ReliabilityBin;
use hilum_nn::weights::atomic_write;
use hilum_pipeline::Reader;
use serde::Serialize;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// Is a model right for the right reason, and for whom does it fail?
#[derive(Debug, clap::Subcommand)]
pub enum Verb {
    /// Figures by sex, age, view or any column, with intervals over patients and tested gaps
    Subgroup(SubgroupArgs),
    /// Calibration by time or site
    Drift(DriftArgs),
    /// Labels that are likely wrong, by confident learning
    Labels(LabelsArgs),
    /// What a model still tells when the lungs are hidden
    Shortcut(audit_shortcut::Args),
}

// What every audit reads and writes. No doc comment: clap would show it in place of the verb's own.
#[derive(Debug, clap::Args)]
pub struct Common {
    /// Table of scores (columns label and probability or logit; finding, patient, id and others when known), or folder, table or
    /// manifest of labelled images as for `hilum calibrate`
    #[arg(value_name = "INPUT")]
    pub input: PathBuf,
    /// Only these findings (default: all)
    #[arg(long, value_name = "CODE", value_delimiter = ',')]
    pub finding: Vec<String>,
    /// Folder for audit.json, tables and plots
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// End with 1 when the audit raises an alarm
    #[arg(long)]
    pub strict: bool,
    /// Seed of the resamples
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Resamples of patients
    #[arg(long, default_value_t = 2000, value_parser = clap::value_parser!(u32).range(100..=100_000))]
    pub resamples: u32,
    /// What a column `score` means: probability or logit
    #[arg(long, value_name = "KIND", value_parser = kind)]
    pub scores: Option<ScoreKind>,
    /// Split of a manifest
    #[arg(long, value_name = "NAME")]
    pub split: Option<String>,
    /// How stored values become grey levels: voi, linear, mimic-jpg, chexpert
    #[arg(long, default_value = "voi")]
    pub recipe: Recipe,
    /// Folder with models of your own (also $HILUM_MODELS)
    #[arg(long, value_name = "DIR")]
    pub models: Option<PathBuf>,
    /// Threads (all cores when not given)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub jobs: Option<u16>,
    /// No progress bar
    #[arg(long)]
    pub no_progress: bool,
}

/// Figures by groups.
#[derive(Debug, clap::Args)]
pub struct SubgroupArgs {
    #[command(flatten)]
    common: Common,
    /// Columns, e.g. sex,age,view
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',', required = true)]
    by: Vec<String>,
    /// Cuts of a column of numbers, e.g. age=18,40,60 (the age has 18,40,60,80 when not given)
    #[arg(long, value_name = "COLUMN=CUTS")]
    bands: Vec<String>,
    /// Probability at which sensitivity and specificity are taken (default: where their sum is largest)
    #[arg(long, value_name = "P")]
    threshold: Option<f64>,
    /// A group needs so many present and absent cases to be measured
    #[arg(long, value_name = "N", default_value_t = 5)]
    least: usize,
}

/// Calibration by time or site.
#[derive(Debug, clap::Args)]
pub struct DriftArgs {
    #[command(flatten)]
    common: Common,
    /// Column of dates (with --every), or of sites
    #[arg(long, value_name = "COLUMN", default_value = "date")]
    by: String,
    /// month, quarter or year; without it the column's words are the groups
    #[arg(long, value_name = "PERIOD", value_parser = every)]
    every: Option<Every>,
    /// What the others are compared with (default: the first)
    #[arg(long, value_name = "VALUE")]
    reference: Option<String>,
    /// A period or site needs so many present and absent cases to be measured
    #[arg(long, value_name = "N", default_value_t = 5)]
    least: usize,
}

/// Labels that are likely wrong.
///
/// Probabilities must come from a model that did not learn from these labels: of left-out folds, or of a model of others.
#[derive(Debug, clap::Args)]
pub struct LabelsArgs {
    #[command(flatten)]
    common: Common,
    /// Suspects shown
    #[arg(long, value_name = "N", default_value_t = 20)]
    top: usize,
}

fn every(text: &str) -> std::result::Result<Every, String> {
    match text {
        "month" => Ok(Every::Month),
        "quarter" => Ok(Every::Quarter),
        "year" => Ok(Every::Year),
        _ => Err("month, quarter or year".into()),
    }
}

/// Runs the verb.
pub fn run(verb: &Verb) -> Result<Code> {
    match verb {
        Verb::Subgroup(args) => each(&args.common, "subgroup", |table, cases| {
            subgroup(args, table, cases)
        }),
        Verb::Drift(args) => each(&args.common, "drift", |table, cases| {
            drift_of(args, table, cases)
        }),
        Verb::Labels(args) => each(&args.common, "labels", |table, cases| {
            labels(args, table, cases)
        }),
        Verb::Shortcut(args) => audit_shortcut::run(args),
    }
}

/// What an audit of one finding says.
pub struct Answer {
    /// For scripts.
    pub json: Value,
    /// For people.
    pub text: String,
    /// Files beside it: name and content.
    pub files: Vec<(String, String)>,
    /// Whether it raises an alarm.
    pub alarm: bool,
}

/// Audits every finding of every table, goes on past those that cannot be audited, and writes what came out.
fn each(
    common: &Common,
    what: &str,
    audit: impl Fn(&ScoreTable, &Labelled) -> Result<Answer>,
) -> Result<Code> {
    let tables = tables(common)?;
    let (mut answers, mut failures) = (Vec::new(), Vec::new());
    let mut seen = 0;
    for (model, table) in &tables {
        for finding in table.findings() {
            if !common.finding.is_empty() && !common.finding.contains(&finding) {
                continue;
            }
            seen += 1;
            let found = table
                .labelled(&finding)
                .map_err(anyhow::Error::from)
                .and_then(|cases| audit(table, &cases));
            match found {
                Ok(answer) => answers.push((model.clone(), finding, answer)),
                Err(error) => failures.push((finding, error.to_string())),
            }
        }
        if !table.has_patients {
            eprintln!(
                "hilum: no patients are named, so each case counts as one; intervals are too narrow where patients have several"
            );
        }
    }
    if seen == 0 {
        bail!(Usage(format!(
            "none of the findings asked for is in {}",
            common.input.display()
        )));
    }
    finish(common, what, answers, failures)
}

/// Prints and writes the answers; 1 when a finding could not be audited, or with --strict when there is an alarm.
pub fn finish(
    common: &Common,
    what: &str,
    answers: Vec<(Option<String>, String, Answer)>,
    failures: Vec<(String, String)>,
) -> Result<Code> {
    for (finding, reason) in &failures {
        eprintln!("hilum: {finding}: {reason}");
    }
    if answers.is_empty() {
        bail!("nothing could be audited");
    }
    let rows: Vec<Value> = answers
        .iter()
        .map(|(model, _, answer)| {
            let mut row = answer.json.clone();
            row["model"] = json!(model);
            row["alarm"] = json!(answer.alarm);
            row
        })
        .collect();
    let failed: Vec<Value> = failures
        .iter()
        .map(|(finding, reason)| json!({"finding": finding, "reason": reason}))
        .collect();
    let whole = json!({
        "audit": what,
        "version": env!("CARGO_PKG_VERSION"),
        "findings": rows,
        "failed": failed,
    });
    let mut text = serde_json::to_string_pretty(&whole)?;
    text.push('\n');
    if let Some(out) = &common.out {
        write_files(out, what, &text, &answers)?;
    }
    let shown = match common.json {
        true => text,
        false => {
            let parts: Vec<&str> = answers.iter().map(|(_, _, a)| a.text.as_str()).collect();
            format!(
                "{}\nResearch software, not a medical device.\n",
                parts.join("\n")
            )
        }
    };
    let mut out = std::io::stdout().lock();
    out.write_all(shown.as_bytes())?;
    out.flush()?;
    let alarm = answers.iter().any(|(_, _, a)| a.alarm);
    Ok(match !failures.is_empty() || (common.strict && alarm) {
        true => Code::Failed,
        false => Code::Success,
    })
}

fn write_files(
    out: &Path,
    what: &str,
    text: &str,
    answers: &[(Option<String>, String, Answer)],
) -> Result<()> {
    std::fs::create_dir_all(out).with_context(|| out.display().to_string())?;
    atomic_write(&out.join(format!("{what}.json")), text.as_bytes())?;
    for (model, finding, answer) in answers {
        for (name, content) in &answer.files {
            let model = model.as_ref().map_or(String::new(), |m| format!("{m}-"));
            let file = format!("{what}-{model}{finding}-{name}");
            let safe: String = file
                .chars()
                .map(|c| match c.is_ascii_alphanumeric() || "-_.".contains(c) {
                    true => c,
                    false => '_',
                })
                .collect();
            atomic_write(&out.join(safe), content.as_bytes())?;
        }
    }
    eprintln!("hilum: wrote {}", out.display());
    Ok(())
}

/// Scores by model; a table of scores has none.
fn tables(common: &Common) -> Result<Vec<(Option<String>, ScoreTable)>> {
    let options = InputOptions {
        kind: common.scores,
        finding: common.finding.first().map(String::as_str),
        split: common.split.as_deref(),
    };
    let images = match labelled::open(&common.input, &options)? {
        Input::Scores(table) => return Ok(vec![(None, table)]),
        Input::Images(images) => images,
    };
    let store = places::store(common.models.as_deref())?;
    let reader = Reader::new(store, common.recipe, Limits::default(), false);
    let jobs = common.jobs.map(usize::from);
    let read = labelled::read(&reader, &images, jobs, !common.no_progress)?;
    read.report();
    if read.tables.is_empty() {
        bail!(
            "no image has a label for a finding that a model here was shown to detect; nothing can be audited"
        );
    }
    // Images are judged by the probabilities that a reading shows.
    let shown = |mut table: ScoreTable| {
        let before = |c: &hilum_audit::table::Case| -> Option<f64> {
            c.columns.get(labelled::BEFORE)?.parse().ok()
        };
        if table.cases.iter().all(|c| before(c).is_some()) {
            for case in &mut table.cases {
                case.score = before(case).unwrap_or(case.score);
            }
            table.kind = ScoreKind::Probability;
        }
        table
    };
    Ok(read
        .tables
        .into_iter()
        .map(|(model, table)| (Some(model), shown(table)))
        .collect())
}

fn subgroup(args: &SubgroupArgs, table: &ScoreTable, cases: &Labelled) -> Result<Answer> {
    let groupings: Vec<Grouping> = args
        .by
        .iter()
        .map(|name| grouping(args, cases, name))
        .collect::<Result<_>>()?;
    let options = GroupOptions {
        threshold: args.threshold.map_or(Threshold::Youden, Threshold::At),
        resamples: args.common.resamples as usize,
        seed: args.common.seed,
        least: args.least,
        ..GroupOptions::default()
    };
    let found = groups::audit(cases, table.kind, &groupings, &options)?;
    answer(&found, None)
}

fn grouping(args: &SubgroupArgs, cases: &Labelled, name: &str) -> Result<Grouping> {
    const MANY: usize = 15;
    let given = args
        .bands
        .iter()
        .find_map(|b| b.split_once('=').filter(|(column, _)| *column == name));
    let cuts = match given {
        Some((_, cuts)) => Some(
            cuts.split(',')
                .map(|c| c.trim().parse::<f64>())
                .collect::<std::result::Result<Vec<f64>, _>>()
                .map_err(|_| Usage(format!("--bands {name}={cuts}: not numbers")))?,
        ),
        None if name == "age" => Some(vec![18.0, 40.0, 60.0, 80.0]),
        None => None,
    };
    if let Some(cuts) = cuts {
        return Ok(groups::by_bands(cases, name, &cuts)?);
    }
    let found = groups::by_column(cases, name)?;
    if found.values.len() > MANY {
        bail!(
            "column `{name}` has {} different values; give --bands {name}=CUTS for numbers, or a column with fewer words",
            found.values.len()
        );
    }
    Ok(found)
}

fn drift_of(args: &DriftArgs, table: &ScoreTable, cases: &Labelled) -> Result<Answer> {
    let grouping = match args.every {
        Some(every) => drift::by_period(cases, &args.by, every, args.reference.as_deref())?,
        None => {
            let found = groups::by_column(cases, &args.by)?;
            let first = found.values.first().cloned().unwrap_or_default();
            Grouping {
                against: groups::Against::Group(args.reference.clone().unwrap_or(first)),
                ..found
            }
        }
    };
    let trend = match args.every {
        Some(_) => Some(drift::trend(cases, table.kind, &args.by)?),
        None => None,
    };
    let options = GroupOptions {
        measures: drift::MEASURES.to_vec(),
        resamples: args.common.resamples as usize,
        seed: args.common.seed,
        least: args.least,
        ..GroupOptions::default()
    };
    let found = groups::audit(cases, table.kind, &[grouping], &options)?;
    answer(&found, trend)
}

/// Text, plots and table of an audit of groups.
fn answer(found: &GroupAudit, trend: Option<Trend>) -> Result<Answer> {
    let alarm = found.gaps.iter().any(|g| g.significant);
    let mut value = serde_json::to_value(found)?;
    if let Some(trend) = trend {
        value["trend"] = serde_json::to_value(trend)?;
    }
    let mut files = vec![("groups.csv".to_owned(), csv(found))];
    for measure in &found.options.measures {
        let rows = forest_rows(found, *measure);
        let reference = found
            .overall
            .iter()
            .find(|f| f.measure == *measure)
            .and_then(|f| f.value);
        let title = format!("{}: {}", found.finding, measure.title());
        let name = format!("{}.svg", word(measure));
        files.push((
            name,
            plot::forest(&title, measure.title(), &rows, reference),
        ));
    }
    let mut attributes: Vec<&str> = found.groups.iter().map(|g| g.attribute.as_str()).collect();
    attributes.dedup();
    for attribute in attributes {
        let curves: Vec<(String, &[ReliabilityBin])> = found
            .groups
            .iter()
            .filter(|g| g.attribute == attribute && !g.curve.is_empty())
            .map(|g| (g.value.clone(), g.curve.as_slice()))
            .collect();
        let title = format!("{}: reliability by {attribute}", found.finding);
        files.push((
            format!("reliability-{attribute}.svg"),
            plot::reliability(&title, &curves),
        ));
    }
    Ok(Answer {
        json: value,
        text: text(found, trend),
        files,
        alarm,
    })
}

fn word(measure: &impl Serialize) -> String {
    let name = serde_json::to_value(measure).ok();
    name.and_then(|v| v.as_str().map(str::to_owned))
        .unwrap_or_default()
}

fn forest_rows(found: &GroupAudit, measure: Measure) -> Vec<ForestRow> {
    let row = |group: &groups::Group| {
        let figure = group.figures.iter().find(|f| f.measure == measure);
        let marked = found.gaps.iter().any(|g| {
            g.significant
                && g.measure == measure
                && g.attribute == group.attribute
                && g.value == group.value
        });
        ForestRow {
            label: format!("{} {}", group.attribute, group.value),
            note: format!("{} cases, {} present", group.n, group.positives),
            value: figure.and_then(|f| f.value),
            interval: figure.and_then(|f| f.interval),
            marked,
        }
    };
    found.groups.iter().map(row).collect()
}

fn csv(found: &GroupAudit) -> String {
    let mut out =
        String::from("attribute,value,n,patients,positives,measure,figure,low,high,ece,note\n");
    let quote = |t: &str| format!("\"{}\"", t.replace('"', "\"\""));
    let number = |v: Option<f64>| v.map_or(String::new(), |v| v.to_string());
    for group in &found.groups {
        let head = format!(
            "{},{},{},{},{}",
            quote(&group.attribute),
            quote(&group.value),
            group.n,
            group.patients,
            group.positives
        );
        let tail = format!(
            "{},{}",
            number(group.ece),
            quote(group.note.as_deref().unwrap_or(""))
        );
        if group.figures.is_empty() {
            let _ = writeln!(out, "{head},,,,,{tail}");
        }
        for figure in &group.figures {
            let (low, high) = figure.interval.unzip();
            let _ = writeln!(
                out,
                "{head},{},{},{},{},{tail}",
                word(&figure.measure),
                number(figure.value),
                number(low),
                number(high)
            );
        }
    }
    out
}

fn figure_text(figure: &Figure) -> String {
    let Some(value) = figure.value else {
        return "not defined".to_owned();
    };
    let range = figure
        .interval
        .map_or(String::new(), |(a, b)| format!(" ({a:.3} to {b:.3})"));
    format!("{value:.3}{range}")
}

fn text(found: &GroupAudit, trend: Option<Trend>) -> String {
    let mut out = format!(
        "{}: {} cases, {} present, {} patients, threshold {:.3}\n",
        found.finding, found.n, found.positives, found.patients, found.threshold
    );
    let wide = found
        .groups
        .iter()
        .map(|g| g.attribute.chars().count() + g.value.chars().count() + 1)
        .chain([7])
        .max()
        .unwrap_or(7);
    let mut head = format!("  {:<wide$}  {:>6} {:>7}", "group", "n", "present");
    for measure in &found.options.measures {
        let _ = write!(head, "  {:<29}", measure.title());
    }
    let _ = writeln!(out, "{}  ECE", head.trim_end());
    let mut line = |name: &str, n: usize, positives: usize, figures: &[Figure], end: String| {
        let mut row = format!("  {name:<wide$}  {n:>6} {positives:>7}");
        for figure in figures {
            let _ = write!(row, "  {:<29}", figure_text(figure));
        }
        let _ = writeln!(out, "{}  {end}", row.trim_end_matches(' '));
    };
    line(
        "all",
        found.n,
        found.positives,
        &found.overall,
        String::new(),
    );
    for group in &found.groups {
        let name = format!("{} {}", group.attribute, group.value);
        let end = group
            .note
            .clone()
            .unwrap_or_else(|| group.ece.map_or(String::new(), |e| format!("{e:.3}")));
        line(&name, group.n, group.positives, &group.figures, end);
    }
    let gaps: Vec<&Gap> = found.gaps.iter().filter(|g| g.significant).collect();
    let _ = writeln!(
        out,
        "  {} of {} comparisons differ at the level {} after Holm's correction{}",
        gaps.len(),
        found.gaps.len(),
        found.options.level,
        if gaps.is_empty() { "." } else { ":" }
    );
    for gap in gaps {
        let range = gap
            .interval
            .map_or(String::new(), |(a, b)| format!(" ({a:+.3} to {b:+.3})"));
        let _ = writeln!(
            out,
            "  ! {} {} against {}: {} {:+.3}{range}, p {:.4}",
            gap.attribute,
            gap.value,
            gap.against,
            gap.measure.title(),
            gap.gap,
            gap.p_holm.unwrap_or(f64::NAN)
        );
    }
    if let Some(trend) = trend {
        let _ = writeln!(
            out,
            "  Trend: Spearman's correlation of the date and probability less label {:+.3}, p {:.4}.",
            trend.rho, trend.p
        );
    }
    out
}

fn labels(args: &LabelsArgs, table: &ScoreTable, cases: &Labelled) -> Result<Answer> {
    let probabilities = cases.probabilities(table.kind);
    let found = binary_label_noise(&cases.labels, &probabilities)?;
    let mut rows = String::from("rank,id,patient,label,probability,self_confidence,margin\n");
    let quote = |t: &str| format!("\"{}\"", t.replace('"', "\"\""));
    for (rank, s) in found.suspects.iter().enumerate() {
        let case = &cases.cases[s.case];
        let _ = writeln!(
            rows,
            "{},{},{},{},{},{},{}",
            rank + 1,
            quote(&case.id),
            quote(&case.patient),
            s.given,
            probabilities[s.case],
            s.self_confidence,
            s.margin
        );
    }
    let mut value = serde_json::to_value(&found)?;
    value["finding"] = json!(cases.finding);
    if let Some(list) = value["suspects"].as_array_mut() {
        for (row, s) in list.iter_mut().zip(&found.suspects) {
            row["id"] = json!(cases.cases[s.case].id);
        }
    }
    Ok(Answer {
        text: noise_text(args, cases, &found, &probabilities),
        json: value,
        alarm: !found.suspects.is_empty(),
        files: vec![("suspects.csv".to_owned(), rows)],
    })
}

fn noise_text(
    args: &LabelsArgs,
    cases: &Labelled,
    found: &LabelNoise,
    probabilities: &[f64],
) -> String {
    let mut out = format!(
        "{}: {} cases, {} present. Estimated share of wrong labels {:.3} (present labels wrong {:.3}, absent labels wrong {:.3} of all cases)\n",
        cases.finding,
        found.n,
        cases.labels.iter().filter(|y| **y).count(),
        found.noise,
        found.joint[2],
        found.joint[1]
    );
    let _ = writeln!(
        out,
        "  {} labels disagree with a confident answer (at least {:.3} for present, {:.3} for absent), the most suspect first:",
        found.suspects.len(),
        found.thresholds[1],
        found.thresholds[0]
    );
    for s in found.suspects.iter().take(args.top) {
        let label = if s.given == 1 { "present" } else { "absent" };
        let _ = writeln!(
            out,
            "  labelled {label:<7}  probability {:.3}  {}",
            probabilities[s.case], cases.cases[s.case].id
        );
    }
    if found.suspects.len() > args.top {
        let _ = writeln!(
            out,
            "  and {} others (--top N, --out DIR)",
            found.suspects.len() - args.top
        );
    }
    out
}
