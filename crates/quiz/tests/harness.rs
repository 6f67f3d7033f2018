//! Questions on drawn studies from end to end: the oracle is always right, a guesser is at chance, and what does not fit is refused.

#![allow(clippy::unwrap_used)]

use hilum_core::View;
use hilum_image::{Gray, Mask};
use hilum_measure::{Index, MaskSet, Structure, measure};
use hilum_quiz::question::{Path as Way, Select, Stage};
use hilum_quiz::{Answer, Maker, Plan, QuizError, QuizSet, Study, answerers, score};
use std::collections::BTreeMap;
use std::path::Path;

const SIDE: usize = 200;

fn mask(inside: impl Fn(f64, f64) -> bool) -> Mask {
    Mask::from_fn(SIDE, SIDE, |x, y| {
        u8::from(inside(x as f64 + 0.5, y as f64 + 0.5)) * 255
    })
}

fn near(x: f64, y: f64, a: (f64, f64), b: (f64, f64)) -> f64 {
    let (dx, dy) = (b.0 - a.0, b.1 - a.1);
    let t = ((x - a.0) * dx + (y - a.1) * dy) / (dx * dx + dy * dy);
    let t = t.clamp(0.0, 1.0);
    (x - a.0 - t * dx).hypot(y - a.1 - t * dy)
}

/// A chest with a heart of any width, bronchi of any angle, a trachea and clavicles anywhere.
fn study(n: usize) -> Study {
    let k = n as f64;
    let heart = 40.0 + (k * 7.0) % 30.0;
    let (s, c) = (12.0 + (k * 5.0) % 40.0).to_radians().sin_cos();
    let shift = (k * 3.0) % 25.0 - 12.0;
    let end = |side: f64| (100.0 + side * 60.0 * s, 100.0 + 60.0 * c);
    let mut set = MaskSet::new(SIDE, SIDE).unwrap();
    let mut add = |s: Structure, m: Mask| set.insert(s, m).unwrap();
    let block =
        |x0: f64, x1: f64| mask(move |x, y| (x0..x1).contains(&x) && (30.0..170.0).contains(&y));
    add(Structure::RightLung, block(20.0, 88.0));
    add(Structure::LeftLung, block(112.0, 180.0));
    add(
        Structure::Heart,
        mask(|x, y| ((x - 105.0) / heart).hypot((y - 140.0) / 25.0) < 1.0),
    );
    add(
        Structure::Trachea,
        mask(|x, y| {
            near(x, y, (100.0, 20.0), (100.0, 92.0)) < 7.0
                || near(x, y, (100.0, 100.0), end(-1.0)) < 4.0
                || near(x, y, (100.0, 100.0), end(1.0)) < 4.0
        }),
    );
    add(
        Structure::Spine,
        mask(|x, _| (x - 100.0 - shift).abs() < 9.0),
    );
    let clavicle =
        |x0: f64, x1: f64| mask(move |x, y| (x0..x1).contains(&x) && (34.0..40.0).contains(&y));
    add(Structure::RightClavicle, clavicle(30.0, 82.0));
    add(Structure::LeftClavicle, clavicle(118.0, 170.0));
    let view = if n.is_multiple_of(2) {
        View::Pa
    } else {
        View::Ap
    };
    Study {
        id: format!("study-{n}"),
        view,
        image: Gray::from_fn(SIDE, SIDE, |x, y| ((x * 3 + y) % 200) as f32),
        outcomes: measure(&set, view),
        set,
    }
}

fn make(folder: &Path, studies: usize) -> QuizSet {
    let plan = Plan {
        seed: 4,
        side: 128,
        ..Plan::default()
    };
    let mut maker = Maker::new(folder, plan).unwrap();
    for n in 0..studies {
        maker.add(&study(n)).unwrap();
    }
    let summary = maker.finish().unwrap();
    assert!(summary.cases.len() >= 5, "{summary:?}");
    QuizSet::read(folder).unwrap()
}

fn write(path: &Path, answers: &[Answer]) {
    let lines: Vec<String> = answers
        .iter()
        .map(|a| serde_json::to_string(a).unwrap())
        .collect();
    std::fs::write(path, lines.join("\n")).unwrap();
}

#[test]
fn the_oracle_is_always_right_and_a_guesser_is_at_chance() {
    let dir = tempfile::tempdir().unwrap();
    let set = make(dir.path(), 40);
    let file = dir.path().join("answers.jsonl");
    write(&file, &answerers::oracle(&set.key));
    let report = score(&set, &file).unwrap();
    assert_eq!(report.answered, report.questions);
    assert_eq!(report.all.paths.len(), 3);
    for group in report.tasks.values().chain([&report.all]) {
        for path in &group.paths {
            assert_eq!(path.completed.value, Some(1.0), "{path:?}");
            assert_eq!(path.mean_stage, path.mean_stages_asked);
            assert!(path.stages.iter().all(|s| s.right.value == Some(1.0)));
            assert!(path.consistent.is_none_or(|c| c.value == Some(1.0)));
            assert_eq!(path.value_in_range.k, path.value_in_range.n);
        }
    }
    // Every stage of all paths, over ten seeds.
    let mut hits: BTreeMap<(Way, Stage), (usize, usize, f64)> = BTreeMap::new();
    for seed in 0..10 {
        write(&file, &answerers::guesser(&set.key, seed));
        for path in &score(&set, &file).unwrap().all.paths {
            for s in &path.stages {
                let sum = hits.entry((path.path, s.stage)).or_default();
                *sum = (sum.0 + s.right.k, sum.1 + s.right.n, s.chance);
            }
        }
    }
    for (stage, (k, n, chance)) in hits {
        let spread = (chance * (1.0 - chance) / n as f64).sqrt();
        let here = k as f64 / n as f64;
        assert!(
            (here - chance).abs() < 4.0 * spread,
            "{stage:?}: {here} {chance}"
        );
    }
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_pictures_are_there() {
    let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (set, other) = (make(a.path(), 3), make(b.path(), 3));
    assert_eq!(set, other);
    for case in &set.cases {
        for q in case.direct.iter().chain(&case.guided).chain(&case.review) {
            let pictures = q
                .images
                .iter()
                .chain(q.options.iter().filter_map(|o| o.image.as_ref()));
            for picture in pictures {
                let bytes = std::fs::read(a.path().join(picture)).unwrap();
                assert_eq!(bytes, std::fs::read(b.path().join(picture)).unwrap());
                assert!(!picture.contains(case.task.name()) && !picture.contains("marks"));
            }
            assert!(q.options.len() >= 2);
        }
        assert_ne!(case.review_case.as_ref(), Some(&case.case));
    }
    let again = Maker::new(a.path(), Plan::default());
    assert!(matches!(again, Err(QuizError::Taken { .. })));
}

#[test]
fn a_wrong_stage_stops_a_case_and_inside_the_band_both_labels_count() {
    let dir = tempfile::tempdir().unwrap();
    let set = make(dir.path(), 6);
    let file = dir.path().join("answers.jsonl");
    let mut answers = answerers::oracle(&set.key);
    for (answer, key) in answers.iter_mut().zip(&set.key) {
        if key.stage == Stage::BodyPart && key.select == Select::One && key.path == Way::Direct {
            let wrong = key
                .letters
                .iter()
                .find(|l| !key.accepts.contains(&vec![**l]));
            let line = serde_json::json!({"id": key.id, "choice": wrong.unwrap().to_string()});
            *answer = serde_json::from_value(line).unwrap();
        }
    }
    write(&file, &answers);
    let report = score(&set, &file).unwrap();
    let direct = &report.all.paths[0];
    assert_eq!(direct.completed.k, 0);
    let last = direct
        .stages
        .iter()
        .find(|s| s.stage == Stage::Final)
        .unwrap();
    assert_eq!((last.right.value, last.passed.n), (Some(1.0), 0));
    // Criterion and, where there is one, refined criterion were passed.
    assert!(direct.mean_stage >= 1.0 && direct.mean_stage <= 2.0);
    assert_eq!(report.all.review_after_failure.value, Some(1.0));
    let both = set
        .key
        .iter()
        .filter(|k| k.stage == Stage::Initial && k.accepts.len() == 2);
    let banded = (0..6)
        .flat_map(|n| study(n).outcomes)
        .filter(|o| o.in_band && o.label.is_some());
    let asked: Vec<Index> = set.cases.iter().map(|c| c.task).collect();
    assert!(both.count() > 0 && banded.filter(|o| asked.contains(&o.index)).count() > 0);
}

#[test]
fn answers_that_do_not_fit_are_refused_with_their_line() {
    let dir = tempfile::tempdir().unwrap();
    let set = make(dir.path(), 2);
    let file = dir.path().join("answers.jsonl");
    let first = set
        .key
        .iter()
        .find(|k| k.select == Select::One && k.ranges.is_empty())
        .unwrap();
    let valued = set.key.iter().find(|k| k.ranges.len() == 1).unwrap();
    let line = |id: &str, rest: &str| format!("{{\"id\":\"{id}\",{rest}}}\n");
    let good = line(&first.id, "\"choice\":\"(a)\"");
    std::fs::write(&file, &good).unwrap();
    assert_eq!(score(&set, &file).unwrap().answered, 1);
    for (text, words) in [
        (good.clone() + &good, "line 2: `"),
        (line("nobody", "\"choice\":\"A\""), "no question `nobody`"),
        (line(&first.id, "\"choice\":\"Z\""), "none of the options"),
        (
            line(&first.id, "\"choice\":[\"A\",\"B\"]"),
            "2 letters where one",
        ),
        (line(&first.id, "\"choice\":[]"), "0 letters"),
        (
            line(&first.id, "\"choice\":\"A\",\"value\":1"),
            "1 values where 0",
        ),
        (
            line(&valued.id, "\"choice\":\"A\",\"value\":[1,2]"),
            "2 values where 1",
        ),
        (line(&first.id, "\"choise\":\"A\""), "line 1"),
        ("\n{\"id\":".to_owned(), "line 2"),
    ] {
        std::fs::write(&file, &text).unwrap();
        let said = score(&set, &file).unwrap_err().to_string();
        assert!(
            said.contains(words) && said.contains("answers.jsonl"),
            "{text}: {said}"
        );
    }
    let none = score(&set, &dir.path().join("none.jsonl")).unwrap_err();
    assert!(none.to_string().contains("none.jsonl"));
    let cases = dir.path().join("cases.jsonl");
    let text = std::fs::read_to_string(&cases).unwrap();
    std::fs::write(&cases, &text[..text.len() / 2]).unwrap();
    assert!(
        QuizSet::read(dir.path())
            .unwrap_err()
            .to_string()
            .contains("cases.jsonl, line")
    );
}

#[test]
fn a_study_without_masks_gives_no_case_but_a_reason() {
    let dir = tempfile::tempdir().unwrap();
    let mut bare = study(1);
    bare.set = MaskSet::new(SIDE, SIDE).unwrap();
    bare.outcomes = measure(&bare.set, View::Pa);
    let mut maker = Maker::new(dir.path(), Plan::default()).unwrap();
    maker.add(&bare).unwrap();
    let twice = maker.add(&bare).unwrap_err();
    assert!(matches!(twice, QuizError::Twice { .. }));
    let said = maker.finish().unwrap_err().to_string();
    assert!(said.contains("no mask of lungs"), "{said}");
}
