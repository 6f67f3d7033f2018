use super::*;

fn labels(text: &str) -> Labels {
    Labeler::shared()
        .label(&ReportText::from_parts(text, ""), &LabelOptions::default())
        .unwrap()
}

fn value(text: &str, code: &str) -> Option<i8> {
    labels(text).value(code).map(LabelValue::as_i8)
}

/// The four reports that the chexpert-labeler ships with their labels (MIT).
#[test]
fn published_examples_come_out_as_published() {
    let cases: [(&str, &[(&str, i8)]); 4] = [
        (
            "Heart size normal and lungs are clear. No edema or pneumonia. No effusion",
            &[
                ("no_finding", 1),
                ("cardiomegaly", 0),
                ("edema", 0),
                ("pneumonia", 0),
                ("pleural_effusion", 0),
            ],
        ),
        (
            "1. Left pleural effusion with adjacent atelectasis. Right effusion is also present.\n\n2. Cardiomegaly without overt edema.",
            &[
                ("cardiomegaly", 1),
                ("edema", 0),
                ("atelectasis", 1),
                ("pleural_effusion", 1),
            ],
        ),
        (
            "Minimal patchy airspace disease within the lingula, may reflect atelectasis or consolidation.",
            &[
                ("lung_opacity", 1),
                ("consolidation", -1),
                ("atelectasis", -1),
            ],
        ),
        (
            "1. Stable mild cardiomegaly. 2. Hyperexpanded but clear lungs.",
            &[("cardiomegaly", 1)],
        ),
    ];
    let options = LabelOptions {
        space: LabelSpace::Chexpert,
        ..LabelOptions::default()
    };
    for (text, expected) in cases {
        let labels = Labeler::shared()
            .label(&ReportText::from_text(text), &options)
            .unwrap();
        let got: Vec<_> = labels.values.iter().map(|(c, v)| (*c, v.as_i8())).collect();
        let mut expected = expected.to_vec();
        expected.sort();
        assert_eq!(got, expected, "{text}");
    }
}

#[test]
fn negation_reaches_through_lists_and_stops_at_new_statements() {
    let text = "No pneumothorax, large pleural effusion, or focal consolidation.";
    for code in ["pneumothorax", "pleural_effusion", "consolidation"] {
        assert_eq!(value(text, code), Some(0), "{code}");
    }
    assert_eq!(
        value("No pneumothorax, but a small effusion.", "pleural_effusion"),
        Some(1)
    );
    assert_eq!(
        value(
            "No effusion is seen and left basilar atelectasis is present.",
            "atelectasis"
        ),
        Some(1)
    );
    assert_eq!(
        value(
            "The previously seen pneumothorax has resolved.",
            "pneumothorax"
        ),
        Some(0)
    );
    assert_eq!(
        value("Cannot exclude a small effusion.", "pleural_effusion"),
        Some(-1)
    );
    assert_eq!(value("No suspicious nodule.", "nodule"), Some(0));
}

#[test]
fn structures_take_the_state_that_is_theirs() {
    assert_eq!(
        value("The heart is mildly enlarged.", "cardiomegaly"),
        Some(1)
    );
    assert_eq!(
        value("Heart size normal, mediastinum widened.", "cardiomegaly"),
        Some(0)
    );
    assert_eq!(
        value(
            "Heart size normal, mediastinum widened.",
            "mediastinal_enlargement"
        ),
        Some(1)
    );
    assert_eq!(value("The heart size is stable.", "cardiomegaly"), Some(-1));
    assert_eq!(
        value(
            "The heart and mediastinum are within normal limits.",
            "enlarged_cardiomediastinum"
        ),
        Some(0)
    );
    assert_eq!(value("The heart is seen.", "cardiomegaly"), None);
}

#[test]
fn attributes_belong_to_their_mention() {
    let labels = labels(
        "Small right pleural effusion and a 1.5 x 2 cm nodule in the left upper lobe, unchanged.",
    );
    let effusion = labels.mentions_of("pleural_effusion").next().unwrap();
    assert_eq!(effusion.attributes.side.as_deref(), Some("right"));
    assert_eq!(effusion.attributes.severity.as_deref(), Some("mild"));
    assert_eq!(effusion.attributes.size, None);
    let nodule = labels.mentions_of("nodule").next().unwrap();
    assert_eq!(nodule.attributes.side.as_deref(), Some("left"));
    assert_eq!(nodule.attributes.places, ["upper_lobe"]);
    assert_eq!(nodule.attributes.size.as_ref().unwrap().mm, [15.0, 20.0]);
}

#[test]
fn spans_count_characters_not_bytes() {
    let labels = labels("Œdème ? Small effusion.");
    let mention = labels.mentions_of("pleural_effusion").next().unwrap();
    assert_eq!(mention.span, Span { start: 14, end: 22 });
    assert_eq!(mention.text, "effusion");
}

#[test]
fn empty_and_other_sections_are_errors_with_a_reason() {
    let labeler = Labeler::shared();
    let options = LabelOptions::default();
    assert!(matches!(
        labeler.label(&ReportText::from_text(" "), &options),
        Err(TextError::EmptyReport)
    ));
    let only = ReportText::from_text("INDICATION: Cough.");
    assert!(matches!(
        labeler.label(&only, &options),
        Err(TextError::NoSuchSection { .. })
    ));
}

#[test]
fn the_explanation_names_the_cue() {
    let report = ReportText::from_parts("No evidence of edema. Small left effusion.", "");
    let labels = Labeler::shared()
        .label(&report, &LabelOptions::default())
        .unwrap();
    let text = explain(&report, &labels);
    assert!(
        text.contains("edema = absent: \"edema\", because of \"No evidence of\" (negation)"),
        "{text}"
    );
    assert!(text.contains("; mild; left"), "{text}");
}

#[test]
fn a_megabyte_without_a_stop_is_read_whole() {
    let text = "no effusion é ".repeat(80_000);
    let labels = labels(&text);
    assert_eq!(labels.mentions_of("pleural_effusion").count(), 80_000);
    assert_eq!(labels.value("pleural_effusion"), Some(LabelValue::Absent));
}

/// Found among the train and val reports: a choice of two sizes is a doubt, air in the pleura is a
/// pneumothorax, and a thyroid is no lung.
#[test]
fn doubts_about_size_air_in_the_pleura_and_the_thyroid() {
    let size = "Heart size is upper limits normal or mildly enlarged.";
    assert_eq!(value(size, "cardiomegaly"), Some(-1));
    assert_eq!(
        value("The heart is normal to mildly enlarged.", "cardiomegaly"),
        Some(-1)
    );
    assert_eq!(
        value("The heart is normal in size.", "cardiomegaly"),
        Some(0)
    );
    let air = "Small medial left upper lobe pleural air collection.";
    assert_eq!(value(air, "pneumothorax"), Some(1));
    let thyroid = "Prominence due to the patient's known thyroid mass.";
    assert_eq!(
        (value(thyroid, "mass"), value(thyroid, "lung_lesion")),
        (None, None)
    );
}

#[test]
fn a_hedge_leans_or_names_a_possibility() {
    let present = |text: &str, code: &str| {
        let labels = labels(text);
        assert_eq!(labels.value(code), Some(LabelValue::Uncertain), "{text}");
        labels.present(code, UncertainPolicy::LeaningOnes)
    };
    for (text, code) in [
        ("Probable mild interstitial edema.", "edema"),
        (
            "There is subsegmental atelectasis or scarring.",
            "atelectasis",
        ),
        (
            "Left basilar infiltrate versus atelectasis.",
            "infiltration",
        ),
        ("Left basilar infiltrate versus atelectasis.", "atelectasis"),
        (
            "This is probably a small pleural effusion.",
            "pleural_effusion",
        ),
        ("Heart size is borderline.", "cardiomegaly"),
    ] {
        assert!(present(text, code), "{text}");
    }
    for (text, code) in [
        ("Opacity which may represent pneumonia.", "pneumonia"),
        (
            "This may represent atelectasis versus infiltrate.",
            "infiltration",
        ),
        ("Possible small pleural effusion.", "pleural_effusion"),
        (
            "Atelectasis or infiltrate cannot be excluded.",
            "infiltration",
        ),
        ("The differential diagnosis includes edema.", "edema"),
    ] {
        assert!(!present(text, code), "{text}");
    }
    // Nothing in doubt: the policies agree.
    let sure = labels("Left pleural effusion.");
    assert!(sure.present("pleural_effusion", UncertainPolicy::LeaningOnes));
}
