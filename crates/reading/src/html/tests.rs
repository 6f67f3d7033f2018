use super::*;
use crate::{sample, write_report};
use hilum_core::PredictionSet;

/// A 2x3 PNG header of colour type `color`; the page never decodes pixels.
fn png(width: u32, height: u32, color: u8) -> Vec<u8> {
    let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec();
    bytes.extend(width.to_be_bytes());
    bytes.extend(height.to_be_bytes());
    bytes.extend([8, color, 0, 0, 0]);
    bytes
}

fn layers() -> ImageLayers {
    ImageLayers {
        image_png: png(512, 620, 0),
        lungs_png: Some(png(1024, 1240, 0)),
        heart_png: Some(png(1024, 1240, 0)),
        heatmaps: vec![
            ("pneumonia".into(), png(7, 7, 0)),
            ("nodule".into(), png(7, 7, 6)),
        ],
        maps: Vec::new(),
    }
}

fn written(mut reading: Reading) -> Reading {
    reading.report = write_report(&reading);
    reading
}

fn draw(reading: &Reading) -> String {
    render(&PageInput {
        reading,
        layers: &[layers()],
        thumbnails: &[],
    })
    .expect("a page")
}

#[test]
fn the_page_is_one_file_without_network() {
    let page = draw(&written(sample::reading()));
    for outside in [
        "http://", "https://", "src=\"//", "@import", "url(http", "<link",
    ] {
        assert!(!page.contains(outside), "{outside}");
    }
    assert!(
        !page.contains("style=\""),
        "the policy forbids style attributes"
    );
    assert!(
        !page.contains("onclick"),
        "the policy forbids handlers in attributes"
    );
    assert_eq!(page.matches("<script").count(), 1);
}

#[test]
fn the_policy_hashes_what_the_page_carries() {
    let page = draw(&written(sample::reading()));
    for (tag, name) in [("style", "style-src"), ("script", "script-src")] {
        let text = page
            .split_once(&format!("<{tag}>"))
            .and_then(|(_, rest)| rest.split_once(&format!("</{tag}>")));
        let (text, _) = text.expect(tag);
        let hash = STANDARD.encode(Sha256::digest(text.as_bytes()));
        assert!(page.contains(&format!("{name} 'sha256-{hash}'")), "{name}");
    }
}

#[test]
fn hostile_strings_stay_text() {
    let evil = "</script><script>alert(1)</script>\"><img src=x onerror=alert(1)>'&";
    let mut reading = sample::reading();
    reading.study.id = evil.into();
    reading.study.patient = Some(evil.into());
    reading.study.date = Some(evil.into());
    reading.images[0].path = evil.into();
    reading.images[0].sha256 = evil.into();
    reading.images[0].view_source = evil.into();
    reading.gate.reasons[0].code = evil.into();
    reading.gate.reasons[0].message = evil.into();
    for finding in &mut reading.findings {
        finding.name = evil.into();
        finding.reason = finding.reason.as_ref().map(|_| evil.into());
        if let Some(point) = &mut finding.operating_point {
            point.rule = evil.into();
        }
        for region in &mut finding.regions {
            region.id = evil.into();
            region.place = Some(evil.into());
        }
    }
    for measurement in &mut reading.measurements {
        measurement.note = Some(evil.into());
        for line in &mut measurement.lines {
            line.name = evil.into();
        }
    }
    reading.measurements[1].name = evil.into();
    reading.provenance.version = evil.into();
    reading.provenance.recipe = evil.into();
    reading.provenance.engine = evil.into();
    reading.provenance.models[0].name = evil.into();
    reading.provenance.models[0].sha256 = evil.into();
    let page = draw(&written(reading));
    assert_eq!(page.matches("<script").count(), 1);
    assert_eq!(page.matches("</script").count(), 1);
    assert!(!page.contains("<img"));
    assert!(
        !page.contains("alert(1)\"") && !page.contains("alert(1)>"),
        "nothing was closed by a value"
    );
    assert!(page.contains("&lt;/script&gt;"));
}

#[test]
fn every_link_has_its_target_and_ids_are_unique() {
    let page = draw(&written(sample::reading()));
    let values = |attribute: &str| -> Vec<String> {
        let start = format!(" {attribute}=\"");
        page.split(&start)
            .skip(1)
            .filter_map(|rest| rest.split_once('"'))
            .map(|(v, _)| v.to_owned())
            .collect()
    };
    let keys = values("data-key");
    for link in values("data-links")
        .iter()
        .flat_map(|links| links.split(' '))
        .filter(|link| !link.is_empty())
    {
        assert!(keys.iter().any(|key| key == link), "{link}");
    }
    let mut ids = values("id");
    for target in values("href")
        .iter()
        .filter_map(|href| href.strip_prefix('#'))
    {
        assert!(ids.iter().any(|id| id == target), "{target}");
    }
    let all = ids.len();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), all);
}

#[test]
fn grey_heat_maps_are_coloured_and_others_left_alone() {
    let page = draw(&written(sample::reading()));
    assert_eq!(page.matches("filter=\"url(#heat-0)\"").count(), 1);
    assert_eq!(page.matches("class=\"heat\"").count(), 2);
}

#[test]
fn what_was_not_assessed_has_no_bar_and_no_absent_badge() {
    let mut reading = sample::reading();
    reading
        .findings
        .retain(|finding| finding.set != Some(PredictionSet::Absent));
    let page = draw(&written(reading));
    assert!(!page.contains("badge absent"));
    assert!(page.contains("Nobody looked for these"));
}

#[test]
fn a_blocked_study_has_a_page_that_says_so() {
    let page = draw(&written(sample::blocked()));
    assert!(page.contains("This study was not analysed."));
    assert!(page.contains("No finding was assessed."));
}

#[test]
fn pictures_that_do_not_fit_are_errors() {
    let reading = written(sample::reading());
    let with = |change: fn(&mut ImageLayers)| {
        let mut one = layers();
        change(&mut one);
        render(&PageInput {
            reading: &reading,
            layers: &[one],
            thumbnails: &[],
        })
    };
    assert!(matches!(
        with(|l| l.image_png = b"GIF89a".to_vec()),
        Err(ReadingError::LayerNotPng { .. })
    ));
    assert!(matches!(
        with(|l| l.image_png.truncate(20)),
        Err(ReadingError::LayerNotPng { .. })
    ));
    assert!(matches!(
        with(|l| l.lungs_png = Some(png(620, 512, 0))),
        Err(ReadingError::LayerShape { .. })
    ));
    assert!(matches!(
        with(|l| l.heatmaps[0].0 = "teapot".into()),
        Err(ReadingError::UnknownHeatMap { .. })
    ));
    let none = render(&PageInput {
        reading: &reading,
        layers: &[],
        thumbnails: &[],
    });
    assert!(matches!(
        none,
        Err(ReadingError::LayerCount {
            layers: 0,
            images: 1
        })
    ));
}

#[test]
fn what_a_probability_leaves_open_stands_beside_it() {
    use hilum_core::{MemberSpread, Span, Uncertainty};
    let mut reading = written(sample::reading());
    let plain = draw(&reading);
    assert!(!plain.contains("Venn-ABERS"));
    let mut findings = reading.findings.iter_mut();
    let own = findings.find(|f| f.code == "pneumonia").unwrap();
    let spread = |count, low, high| MemberSpread {
        count,
        low,
        high,
        deviation: 0.1,
    };
    own.uncertainty = Some(Uncertainty {
        entropy: 0.9,
        venn_abers: Some(Span {
            low: 0.41,
            high: 0.62,
        }),
        members: Some(spread(6, 0.3, 0.7)),
        augmented: Some(spread(9, 0.25, 0.75)),
    });
    let page = draw(&reading);
    for line in [
        "Venn-ABERS 0.41 to 0.62",
        "6 networks 0.30 to 0.70",
        "9 moved copies 0.25 to 0.75",
    ] {
        assert_eq!(page.matches(line).count(), 1, "{line}");
    }
}

#[test]
fn maps_come_with_a_verdict_and_known_cases_with_their_labels() {
    use hilum_core::{Explanation, MapTrust, Similar, SimilarCase};
    let mut reading = written(sample::reading());
    let at = reading
        .findings
        .iter()
        .position(|f| f.code == "pneumonia")
        .unwrap();
    let explanation = |method: &str, p: f64| Explanation {
        image: 0,
        method: method.into(),
        model: sample::MODEL.into(),
        map: None,
        trust: Some(MapTrust {
            deletion: 0.2,
            insertion: 0.7,
            random_deletion: 0.4,
            random_insertion: 0.5,
            random: 19,
            p,
            trusted: p <= 0.05,
        }),
        note: None,
    };
    reading.findings[at].explanations =
        vec![explanation("cam", 0.4), explanation("deep-lift", 0.05)];
    let case = |id: &str, labels: &[&str]| SimilarCase {
        id: id.into(),
        labels: labels.iter().map(|l| (*l).to_owned()).collect(),
        distance: 0.125,
        percentile: Some(0.3),
    };
    reading.similar = vec![Similar {
        image: 0,
        model: sample::MODEL.into(),
        cases: vec![case("a<b>.png", &["Pneumonia & more"]), case("b", &[])],
        note: None,
    }];
    let mut one = layers();
    one.maps.push(MapLayer {
        code: "pneumonia".into(),
        method: "deep-lift".into(),
        png: png(9, 9, 0),
    });
    let page = render(&PageInput {
        reading: &reading,
        layers: &[one],
        thumbnails: &[vec![Some(png(8, 8, 0)), Some(b"<script>".to_vec())]],
    })
    .expect("a page");
    assert!(page.contains("not to be trusted") && page.contains("believable"));
    assert!(page.contains("8 of 19 copies"));
    let key = format!("data-map=\"{at}:deep-lift\"");
    assert!(page.contains(&key) && page.contains(&format!("data-finding=\"{at}:deep-lift\"")));
    assert!(page.contains("a&lt;b&gt;.png") && page.contains("Pneumonia &amp; more"));
    assert!(page.contains("no label") && page.contains("no picture"));
    assert!(!page.contains("<script>\"") && page.contains("distance 0.125"));
}
