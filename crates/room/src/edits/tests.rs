//! Edits by rules and by chance.

use super::*;
use hilum_core::{PredictionSet, Reading, Section};
use hilum_reading::{sample, write_report};
use proptest::prelude::*;

pub(crate) fn reading() -> Reading {
    let mut reading = sample::reading();
    reading.report = write_report(&reading);
    reading
}

/// Edits as they would be kept: each that makes sense gets the next number and the context of its time.
pub(crate) fn kept(reading: &Reading, ops: &[Op]) -> Vec<Edit> {
    let mut edits: Vec<Edit> = Vec::new();
    for op in ops {
        if check(op, reading, &edits).is_err() {
            continue;
        }
        let context = Edited::of(reading, &edits).context(op, reading);
        let id = edits.len() as i64 + 1;
        let of = |id: i64| edits.iter().find(|e| e.id == id).map(|e| e.target.clone());
        edits.push(Edit {
            id,
            revision: id,
            at: String::new(),
            by: "a".into(),
            op: op.clone(),
            undone_by: None,
            target: op.target(of),
            context,
        });
    }
    edits
}

fn answered(reading: &Reading) -> String {
    let found = reading.findings.iter().find(|f| f.set.is_some());
    found.unwrap().code.clone()
}

fn decide(code: &str, set: PredictionSet) -> Op {
    Op::Finding {
        code: code.into(),
        decision: Decision::Change,
        set: Some(set),
    }
}

fn set_of(edited: &Edited, code: &str) -> Option<PredictionSet> {
    edited.findings.iter().find(|f| f.code == code)?.set
}

#[test]
fn without_edits_it_is_the_models_reading() {
    let reading = reading();
    let edited = Edited::of(&reading, &[]);
    for (a, b) in edited.findings.iter().zip(&reading.findings) {
        assert_eq!((a.set, a.model_probability), (b.set, b.probability));
        assert!(a.decision.is_none() && a.by.is_none());
    }
    assert_eq!(edited.sentences.len(), reading.report.sentences.len());
    assert_eq!(rewrite(&reading, &edited).findings, reading.findings);
}

#[test]
fn accept_reject_and_change() {
    let reading = reading();
    let code = answered(&reading);
    let model = reading
        .findings
        .iter()
        .find(|f| f.code == code)
        .unwrap()
        .set;
    let said = |decision| Op::Finding {
        code: code.clone(),
        decision,
        set: None,
    };
    let after = |ops: &[Op]| set_of(&Edited::of(&reading, &kept(&reading, ops)), &code);
    assert_eq!(after(&[said(Decision::Accept)]), model);
    let opposite = match model {
        Some(PredictionSet::Present) => Some(PredictionSet::Absent),
        Some(PredictionSet::Absent) => Some(PredictionSet::Present),
        other => other,
    };
    assert_eq!(after(&[said(Decision::Reject)]), opposite);
    let change = decide(&code, PredictionSet::Undecided);
    assert_eq!(after(&[change]), Some(PredictionSet::Undecided));
}

#[test]
fn a_sentence_that_was_taken_back_keeps_its_place() {
    let reading = reading();
    let n = reading.report.sentences.len();
    let add = |text: &str| Op::SentenceAdd {
        section: Section::Findings,
        text: text.into(),
    };
    let rewrite_second = Op::Sentence {
        index: n + 1,
        text: "two, better".into(),
    };
    let ops = [add("one"), add("two"), Op::Undo { edit: 1 }, rewrite_second];
    let edited = Edited::of(&reading, &kept(&reading, &ops));
    assert!(edited.sentences[n].removed);
    assert_eq!(edited.sentences[n + 1].text, "two, better");
    assert_eq!(edited.sentences[n + 1].index, n + 1);
}

#[test]
fn another_reading_makes_edits_of_its_words_stale() {
    let reading = reading();
    let code = answered(&reading);
    let rewrite_first = Op::Sentence {
        index: 0,
        text: "mine".into(),
    };
    let ops = [rewrite_first, decide(&code, PredictionSet::Absent)];
    let edits = kept(&reading, &ops);
    assert_eq!(Edited::of(&reading, &edits).sentences[0].text, "mine");
    let mut again = reading.clone();
    again.report.sentences[0].text = "The program says something else now.".into();
    let edited = Edited::of(&again, &edits);
    assert_eq!(edited.stale, [1]);
    assert_eq!(edited.sentences[0].text, again.report.sentences[0].text);
    assert_eq!(set_of(&edited, &code), Some(PredictionSet::Absent));
}

#[test]
fn what_goes_out_says_who_changed_what() {
    let reading = reading();
    let code = answered(&reading);
    let region = Op::RegionAdd {
        code: code.clone(),
        image: 0,
        rect: None,
        polygon: Some(vec![[1.0, 1.0], [9.0, 1.0], [5.0, 8.0]]),
    };
    let measure = Op::MeasurementAdd {
        image: 0,
        name: "width".into(),
        line: [[0.0, 0.0], [3.0, 4.0]],
        value: 5.0,
        unit: "pixel".into(),
    };
    let model = reading.findings.iter().find(|f| f.code == code).unwrap();
    let other = match model.set {
        Some(PredictionSet::Absent) => PredictionSet::Present,
        _ => PredictionSet::Absent,
    };
    let ops = [decide(&code, other), region, measure];
    let out = rewrite(&reading, &Edited::of(&reading, &kept(&reading, &ops)));
    let finding = out.findings.iter().find(|f| f.code == code).unwrap();
    assert_eq!((finding.set, finding.probability), (Some(other), None));
    let drawn = finding.regions.iter().find(|r| r.id == "reader/2").unwrap();
    assert_eq!(drawn.outline.len(), 3);
    assert!(
        out.measurements
            .iter()
            .any(|m| m.note.as_deref() == Some("measured by reader a"))
    );
    let word = match other {
        PredictionSet::Present => "present",
        _ => "absent",
    };
    let said = format!("{word} by a; the model said");
    assert!(
        out.report.findings.contains(&said),
        "{}",
        out.report.findings
    );
    hilum_reading::evidence::check(&out).unwrap();
}

/// A finding that the model answered with places, and one of its regions.
fn with_place(reading: &Reading) -> (String, String) {
    let mut all = reading.findings.iter();
    let found = all.find(|f| f.set == Some(PredictionSet::Present) && !f.regions.is_empty());
    let found = found.unwrap();
    (found.code.clone(), found.regions[0].id.clone())
}

#[test]
fn a_finding_that_a_reader_denies_has_no_places_of_the_model() {
    let reading = reading();
    let (code, region) = with_place(&reading);
    let places = |ops: &[Op]| {
        let out = rewrite(&reading, &Edited::of(&reading, &kept(&reading, ops)));
        hilum_reading::evidence::check(&out).unwrap();
        let finding = out.findings.into_iter().find(|f| f.code == code).unwrap();
        let mut ids: Vec<String> = finding.regions.into_iter().map(|r| r.id).collect();
        ids.sort();
        ids
    };
    let all = places(&[]);
    assert!(all.contains(&region));
    let reject = Op::Finding {
        code: code.clone(),
        decision: Decision::Reject,
        set: None,
    };
    assert_eq!(places(std::slice::from_ref(&reject)), [""; 0]);
    assert_eq!(places(&[decide(&code, PredictionSet::Undecided)]), all);
    assert_eq!(places(&[reject.clone(), Op::Undo { edit: 1 }]), all);
    // What a reader moved or drew is the reader's, whatever was said of the finding.
    let place = Place {
        x: 1.0,
        y: 2.0,
        width: 3.0,
        height: 4.0,
    };
    let moved = Op::RegionChange {
        region: region.clone(),
        rect: Some(place),
        polygon: None,
    };
    let drawn = Op::RegionAdd {
        code: code.clone(),
        image: 0,
        rect: Some(place),
        polygon: None,
    };
    let mut expected = vec![region, "reader/3".to_owned()];
    expected.sort();
    assert_eq!(places(&[reject, moved, drawn]), expected);
    // The model's own reading is as it was.
    assert!(
        reading
            .findings
            .iter()
            .any(|f| f.code == code && !f.regions.is_empty())
    );
}

#[test]
fn an_answer_is_about_what_the_reader_saw() {
    let reading = reading();
    let (code, _) = with_place(&reading);
    let said = |decision| Op::Finding {
        code: code.clone(),
        decision,
        set: None,
    };
    let mut again = reading.clone();
    for finding in &mut again.findings {
        if finding.code == code {
            finding.set = Some(PredictionSet::Absent);
        }
    }
    for (decision, set) in [
        (Decision::Accept, PredictionSet::Present),
        (Decision::Reject, PredictionSet::Absent),
    ] {
        let edits = kept(&reading, &[said(decision)]);
        let of = |reading: &Reading| {
            let all = Edited::of(reading, &edits).findings;
            let found = all.into_iter().find(|f| f.code == code).unwrap();
            (found.set, found.decision)
        };
        assert_eq!(of(&reading), (Some(set), Some(decision)));
        assert_eq!(of(&again), (Some(set), Some(Decision::Change)));
    }
}

#[test]
fn who_said_what_is_known_of_the_reading_that_goes_out() {
    let reading = reading();
    let (code, _) = with_place(&reading);
    let measure = Op::MeasurementAdd {
        image: 0,
        name: "width".into(),
        line: [[0.0, 0.0], [3.0, 4.0]],
        value: 5.0,
        unit: "pixel".into(),
    };
    let accept = Op::Finding {
        code: code.clone(),
        decision: Decision::Accept,
        set: None,
    };
    for (op, confirms) in [
        (accept, true),
        (decide(&code, PredictionSet::Absent), false),
    ] {
        let edited = Edited::of(&reading, &kept(&reading, &[op, measure.clone()]));
        let readers = readers(&reading, &edited);
        assert_eq!(readers.findings.len(), 1);
        let answered = &readers.findings[&code];
        assert_eq!((answered.by.as_str(), answered.confirms), ("a", confirms));
        let out = rewrite(&reading, &edited);
        let at: Vec<&usize> = readers.measurements.keys().collect();
        assert_eq!(at, [&(out.measurements.len() - 1)]);
    }
}

fn any_set() -> impl Strategy<Value = PredictionSet> {
    prop_oneof![
        Just(PredictionSet::Present),
        Just(PredictionSet::Absent),
        Just(PredictionSet::Undecided)
    ]
}

fn any_op() -> impl Strategy<Value = Op> {
    let codes = prop_oneof![
        Just("nodule"),
        Just("pneumonia"),
        Just("mass"),
        Just("nonsense")
    ];
    let code = codes.prop_map(str::to_owned);
    let place = (0.0..90.0f64, 0.0..90.0f64, 1.0..60.0f64, 1.0..60.0f64);
    let place = place.prop_map(|(x, y, width, height)| Place {
        x,
        y,
        width,
        height,
    });
    let region = prop_oneof![
        (1..20i64).prop_map(|n| format!("reader/{n}")),
        Just("pneumonia/0".to_owned())
    ];
    prop_oneof![
        (code.clone(), any_set()).prop_map(|(code, set)| Op::Finding {
            code,
            decision: Decision::Change,
            set: Some(set)
        }),
        (code.clone(), any::<bool>()).prop_map(|(code, yes)| Op::Finding {
            code,
            decision: if yes {
                Decision::Accept
            } else {
                Decision::Reject
            },
            set: None
        }),
        (code, place.clone()).prop_map(|(code, rect)| Op::RegionAdd {
            code,
            image: 0,
            rect: Some(rect),
            polygon: None
        }),
        (region.clone(), place).prop_map(|(region, rect)| Op::RegionChange {
            region,
            rect: Some(rect),
            polygon: None
        }),
        region.prop_map(|region| Op::RegionRemove { region }),
        (0..12usize, "[a-z]{1,8}").prop_map(|(index, text)| Op::Sentence { index, text }),
        (0..12usize).prop_map(|index| Op::SentenceRemove { index }),
        "[a-z]{1,8}".prop_map(|text| Op::SentenceAdd {
            section: Section::Impression,
            text
        }),
        "[a-z]{1,8}".prop_map(|text| Op::Note { text }),
        (1..20i64).prop_map(|edit| Op::Undo { edit }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Taking an edit back at once is as if it had never been, but for what keeps its place.
    #[test]
    fn undo_takes_back(ops in prop::collection::vec(any_op(), 0..15), last in any_op()) {
        let reading = reading();
        let before = kept(&reading, &ops);
        let mut all: Vec<Op> = before.iter().map(|e| e.op.clone()).collect();
        all.push(last);
        let after = kept(&reading, &all);
        prop_assume!(after.len() == before.len() + 1);
        all.push(Op::Undo { edit: after.len() as i64 });
        let undone = Edited::of(&reading, &kept(&reading, &all));
        let was = Edited::of(&reading, &before);
        let visible = |e: &Edited| {
            let regions: Vec<_> = e.regions.iter().filter(|r| !r.removed).cloned().collect();
            let sentences: Vec<_> = e.sentences.iter().filter(|s| !s.removed).cloned().collect();
            let decided: Vec<_> = e.findings.iter().filter(|f| f.decision.is_some()).cloned().collect();
            (decided, regions, sentences, e.notes.clone())
        };
        prop_assert_eq!(visible(&undone), visible(&was));
    }

    /// Taking the taking back back brings the edit back.
    #[test]
    fn redo_brings_back(ops in prop::collection::vec(any_op(), 1..15)) {
        let reading = reading();
        let edits = kept(&reading, &ops);
        prop_assume!(!edits.is_empty());
        let n = edits.len() as i64;
        let mut all: Vec<Op> = edits.iter().map(|e| e.op.clone()).collect();
        let standing = active(&edits).get(&n) == Some(&None);
        prop_assume!(standing);
        all.push(Op::Undo { edit: n });
        all.push(Op::Undo { edit: n + 1 });
        let again = kept(&reading, &all);
        prop_assert_eq!(again.len() as i64, n + 2);
        prop_assert_eq!(Edited::of(&reading, &again), Edited::of(&reading, &edits));
    }

    /// Edits of different targets may come in any order.
    #[test]
    fn different_targets_merge(a in any_set(), b in any_set(), text in "[a-z]{1,8}") {
        let reading = reading();
        let ops = [decide("nodule", a), decide("mass", b), Op::Sentence { index: 0, text }];
        let of = |order: [usize; 3]| {
            let ops: Vec<Op> = order.iter().map(|&i| ops[i].clone()).collect();
            let mut edited = Edited::of(&reading, &kept(&reading, &ops));
            edited.findings.sort_by(|x, y| x.code.cmp(&y.code));
            edited
        };
        prop_assert_eq!(of([0, 1, 2]), of([2, 1, 0]));
        prop_assert_eq!(of([0, 1, 2]), of([1, 2, 0]));
    }

    /// Whatever was edited, the model's words and numbers are there, indices are places, and what goes out has its evidence.
    #[test]
    fn the_models_words_are_never_lost(ops in prop::collection::vec(any_op(), 0..25)) {
        let reading = reading();
        let edited = Edited::of(&reading, &kept(&reading, &ops));
        for (index, sentence) in edited.sentences.iter().enumerate() {
            prop_assert_eq!(sentence.index, index);
            let model = reading.report.sentences.get(index).map(|s| s.text.clone());
            prop_assert_eq!(&sentence.model_text, &model);
        }
        for finding in &reading.findings {
            let found = edited.findings.iter().find(|f| f.code == finding.code);
            prop_assert_eq!(found.and_then(|f| f.model_set), finding.set);
        }
        let out = rewrite(&reading, &edited);
        prop_assert!(hilum_reading::evidence::check(&out).is_ok());
        // Every finding that the model's report speaks of is spoken of still, unless a reader took the sentence away or rewrote it.
        if edited.sentences.iter().all(|s| !s.removed && s.by.is_none()) {
            let speaks = |r: &Reading, code: &str| {
                let mut all = r.report.sentences.iter().flat_map(|s| &s.evidence);
                all.any(|e| e.kind == hilum_core::EvidenceKind::Finding && e.target == code)
            };
            for f in reading.findings.iter().filter(|f| speaks(&reading, &f.code)) {
                prop_assert!(speaks(&out, &f.code), "{}", f.code);
            }
        }
    }

    /// Any JSON is an edit or an error.
    #[test]
    fn any_text_is_an_edit_or_an_error(text in ".{0,200}") {
        let _ = serde_json::from_str::<Op>(&text);
    }
}
