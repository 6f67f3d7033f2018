//! Facts of the Indiana University reports (train and val): how many, how fast, whether they survive
//! RadGraph JSON, Lunguage's rows and scene graphs, whether they agree with the labeler, and what the factual sequence keeps.
//!
//! `cargo run --release -p hilum-text --example iu_facts`

use hilum_text::facts::compose::detached;
use hilum_text::facts::lunguage::{self, Fields};
use hilum_text::facts::radgraph::Document;
use hilum_text::facts::{Assertion, Extractor, Graph, entity_sequence, scene};
use hilum_text::label::LabelSpace;
use hilum_text::{LabelOptions, LabelValue, Labeler, ReportText};
use std::collections::BTreeMap;
use std::error::Error;
use std::time::Instant;

fn main() -> Result<(), Box<dyn Error>> {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../../shared/data/text/iu_reports.jsonl"
    );
    let Ok(text) = std::fs::read_to_string(path) else {
        eprintln!("skipped: needs ../shared/data/text/iu_reports.jsonl, which is not here");
        return Ok(());
    };
    let mut reports = Vec::new();
    for line in text.lines() {
        let row: serde_json::Value = serde_json::from_str(line)?;
        let part = |name: &str| row[name].as_str().unwrap_or_default().to_owned();
        let report = ReportText::from_parts(&part("findings"), &part("impression"));
        if row["split"] != "test" && !report.is_empty() {
            reports.push(report);
        }
    }
    let start = Instant::now();
    let graphs: Vec<Graph> = reports
        .iter()
        .map(|r| Extractor::shared().graph(r, &Default::default()))
        .collect::<Result<_, _>>()?;
    let facts: usize = graphs.iter().map(|g| g.facts().len()).sum();
    let seconds = start.elapsed().as_secs_f64();
    let entities: usize = graphs.iter().map(|g| g.entities.len()).sum();
    let relations: usize = graphs
        .iter()
        .flat_map(|g| &g.entities)
        .map(|e| e.relations.len())
        .sum();
    println!(
        "{} reports: {entities} entities, {relations} relations, {facts} facts; {:.0} reports a second on one thread",
        reports.len(),
        reports.len() as f64 / seconds
    );
    round_trip(&graphs)?;
    rows_and_scenes(&graphs)?;
    labels_of_facts(&reports, &graphs)?;
    sequences(&reports, &graphs)
}

fn round_trip(graphs: &[Graph]) -> Result<(), Box<dyn Error>> {
    let mut same = 0;
    for graph in graphs {
        let text = serde_json::to_string(&Document::from_graph(graph))?;
        let back: Document = serde_json::from_str(&text)?;
        same += usize::from(back.to_graph()? == *graph);
    }
    println!(
        "{same} of {} come back from RadGraph JSON as they were",
        graphs.len()
    );
    Ok(())
}

/// Rows give the same facts again, scenes facts that make the same scene.
fn rows_and_scenes(graphs: &[Graph]) -> Result<(), Box<dyn Error>> {
    let (mut rows_same, mut scenes_same) = (0, 0);
    for graph in graphs {
        let facts = graph.facts();
        let rows = serde_json::to_value(lunguage::rows(graph))?;
        let rows: Vec<Fields> = serde_json::from_value::<Vec<serde_json::Map<_, _>>>(rows)?
            .into_iter()
            .map(Fields::new)
            .collect();
        let again = Graph::from_facts(&lunguage::read(&rows)?.facts).facts();
        rows_same += usize::from(detached(&again) == detached(&facts));
        let before = scene::scene_of("i", &facts, None);
        let (_, told) = scene::read(serde_json::to_value(&before)?)?;
        let again = Graph::from_facts(&told.facts).facts();
        let after = scene::scene_of("i", &again, None);
        scenes_same += usize::from(after.attributes == before.attributes);
    }
    let all = graphs.len();
    println!("{rows_same} of {all} give the same facts from Lunguage's rows");
    println!("{scenes_same} of {all} give facts that make the same scene from a scene graph");
    Ok(())
}

type Values = BTreeMap<&'static str, LabelValue>;

fn labels(report: &ReportText) -> Result<Values, Box<dyn Error>> {
    let options = LabelOptions {
        space: LabelSpace::Chexpert,
        ..LabelOptions::default()
    };
    let mut values = Labeler::shared().label(report, &options)?.values;
    values.remove("no_finding");
    Ok(values)
}

/// Label values that follow from the facts, present over uncertain over absent.
fn from_facts(graph: &Graph) -> Values {
    let mut values = Values::new();
    for fact in graph.facts() {
        let value = match fact.assertion {
            Assertion::Present => LabelValue::Present,
            Assertion::Uncertain => LabelValue::Uncertain,
            Assertion::Absent => LabelValue::Absent,
        };
        for code in fact.codes {
            let known = values.entry(code).or_insert(value);
            *known = (*known).max(value);
        }
    }
    values
}

fn agreement(pairs: impl Iterator<Item = (Values, Values)>) -> (usize, usize) {
    let (mut same, mut all) = (0, 0);
    for (truth, other) in pairs {
        all += truth.len();
        same += truth
            .iter()
            .filter(|(code, value)| other.get(*code) == Some(value))
            .count();
    }
    (same, all)
}

fn labels_of_facts(reports: &[ReportText], graphs: &[Graph]) -> Result<(), Box<dyn Error>> {
    let truth: Vec<Values> = reports.iter().map(labels).collect::<Result<_, _>>()?;
    let (same, all) = agreement(truth.into_iter().zip(graphs.iter().map(from_facts)));
    println!(
        "labels rolled up from the facts: {same} of {all} CheXpert labels that the labeler gives ({:.3})",
        same as f64 / all as f64
    );
    Ok(())
}

fn sequences(reports: &[ReportText], graphs: &[Graph]) -> Result<(), Box<dyn Error>> {
    let (mut words, mut kept, mut pairs) = (0, 0, Vec::new());
    for (report, graph) in reports.iter().zip(graphs) {
        let sequence = entity_sequence(graph);
        words += graph.text.split(' ').count();
        kept += sequence.split_whitespace().count();
        let of_sequence = if sequence.is_empty() {
            Values::new()
        } else {
            labels(&ReportText::from_parts(&sequence, ""))?
        };
        pairs.push((labels(report)?, of_sequence));
    }
    let (same, all) = agreement(pairs.into_iter());
    println!(
        "factual sequence: {:.2} of the tokens; its labels equal the report's in {same} of {all} ({:.3})",
        kept as f64 / words as f64,
        same as f64 / all as f64
    );
    Ok(())
}
