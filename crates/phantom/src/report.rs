//! A report in a radiologist's words, written from the truth. Every finding is said once; what is said to be absent is absent.

use crate::findings::{Change, Finding, Grade, Kind, Zone};
use crate::random::{Draws, Purpose};
use crate::timeline::Visit;
use serde::{Deserialize, Serialize};

/// A report, a line of `reports.jsonl`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Name of the study.
    pub id: String,
    /// What was taken.
    pub technique: String,
    /// What it is compared with.
    pub comparison: String,
    /// Findings section.
    pub findings: String,
    /// Impression section.
    pub impression: String,
    /// The sections as one text.
    pub text: String,
    /// Sentences of the findings section with the finding each speaks of; null for normal statements.
    pub sentences: Vec<Sentence>,
}

/// A sentence and what it is about.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sentence {
    /// The words.
    pub text: String,
    /// Number of the finding.
    pub finding: Option<u16>,
    /// Kind that it speaks of, found or absent.
    pub kind: Option<Kind>,
    /// True where it says that the kind is there.
    pub present: bool,
}

/// Writes the report of a visit.
pub fn write(id: &str, seed: u64, patient: u64, visit: &Visit, lateral: bool) -> Report {
    let mut d = Draws::new(seed, Purpose::Words, patient, visit.number);
    let view = match (visit.exposure.supine, lateral) {
        (true, _) => "Single AP portable view of the chest.",
        (false, true) => "PA and lateral views of the chest.",
        (false, false) => "PA view of the chest.",
    };
    let comparison = if visit.number == 0 {
        "None.".to_owned()
    } else {
        format!("Chest radiograph from {} days earlier.", visit.day.max(1))
    };
    let mut sentences: Vec<Sentence> = visit.findings.iter().map(|f| present(f, &mut d)).collect();
    sentences.extend(visit.resolved.iter().map(|f| resolved(f, &mut d)));
    sentences.extend(normal(visit, &mut d));
    let findings = sentences
        .iter()
        .map(|s| s.text.as_str())
        .collect::<Vec<_>>()
        .join(" ");
    let impression = impression(visit, &mut d);
    let text = format!(
        "TECHNIQUE: {view}\nCOMPARISON: {comparison}\nFINDINGS: {findings}\nIMPRESSION: {impression}"
    );
    Report {
        id: id.to_owned(),
        technique: view.to_owned(),
        comparison,
        findings,
        impression,
        text,
        sentences,
    }
}

fn side(f: &Finding) -> &'static str {
    if f.side < 0.0 {
        "right"
    } else if f.side > 0.0 {
        "left"
    } else {
        "bilateral"
    }
}

fn zone(f: &Finding) -> &'static str {
    match f.zone {
        Zone::Upper => "upper lung zone",
        Zone::Middle => "mid lung zone",
        Zone::Lower => "lower lung zone",
        Zone::None => "lung",
    }
}

fn amount(f: &Finding) -> &'static str {
    match f.grade {
        Grade::Mild => "small",
        Grade::Moderate => "moderate",
        Grade::Severe => "large",
    }
}

fn degree(f: &Finding) -> &'static str {
    match f.grade {
        Grade::Mild => "mild",
        Grade::Moderate => "moderate",
        Grade::Severe => "severe",
    }
}

fn centimetres(f: &Finding) -> String {
    format!("{:.1} cm", f.size / 10.0)
}

fn change(f: &Finding, d: &mut Draws) -> String {
    let words: &[&str] = match f.change {
        Change::First => return String::new(),
        Change::New => &[
            ", new since the prior study",
            ", new compared with the prior",
            ", which is new",
        ],
        Change::Larger => &[
            ", increased since the prior study",
            ", larger than on the prior",
            ", worsened in the interval",
        ],
        Change::Unchanged => &[
            ", unchanged",
            ", stable since the prior study",
            ", similar to the prior",
        ],
        Change::Smaller => &[
            ", decreased since the prior study",
            ", smaller than on the prior",
            ", improved in the interval",
        ],
    };
    (*d.pick(words)).to_owned()
}

fn present(f: &Finding, d: &mut Draws) -> Sentence {
    let (s, z, a, g, cm) = (side(f), zone(f), amount(f), degree(f), centimetres(f));
    let forms: Vec<String> = match f.kind {
        Kind::Nodule => vec![
            format!("There is a {cm} nodule in the {s} {z}"),
            format!("A {cm} nodular opacity projects over the {s} {z}"),
            format!("{cm} pulmonary nodule in the {s} {z}"),
        ],
        Kind::Mass => vec![
            format!("There is a {cm} mass in the {s} {z}"),
            format!("A {cm} spiculated mass is seen in the {s} {z}"),
            format!("Large {cm} opacity in the {s} {z} consistent with a mass"),
        ],
        Kind::Consolidation => vec![
            format!("There is {s} {z} consolidation"),
            format!("Airspace consolidation is present in the {s} {z}"),
            format!("Dense airspace opacity in the {s} {z} in keeping with consolidation"),
        ],
        Kind::GroundGlass => vec![
            format!("Hazy ground-glass opacity in the {s} {z}"),
            format!("There is ground-glass opacity projecting over the {s} {z}"),
            format!("Faint hazy opacity is seen in the {s} {z}"),
        ],
        Kind::Interstitial => vec![
            format!(
                "{} diffuse reticular interstitial opacities, worst at the bases",
                capital(g)
            ),
            format!("There is a {g} interstitial pattern in both lungs"),
            format!("{} bilateral interstitial markings", capital(g)),
        ],
        Kind::Effusion => vec![
            format!("There is a {a} {s} pleural effusion"),
            format!("{} {s} pleural effusion", capital(a)),
            format!("Blunting of the {s} costophrenic angle by a {a} pleural effusion"),
        ],
        Kind::Pneumothorax => vec![
            format!("There is a {a} {s} pneumothorax"),
            format!("{} {s} apical pneumothorax", capital(a)),
            format!(
                "A visceral pleural line is seen on the {s}, consistent with a {a} pneumothorax"
            ),
        ],
        Kind::Atelectasis => vec![
            format!("Linear atelectasis at the {s} base"),
            format!("There is plate-like atelectasis in the {s} lower lung"),
            format!("Band-like opacity at the {s} base, consistent with subsegmental atelectasis"),
        ],
        Kind::Cardiomegaly => vec![
            format!(
                "The heart is {}ly enlarged",
                if g == "mild" {
                    "mild"
                } else if g == "moderate" {
                    "moderate"
                } else {
                    "severe"
                }
            ),
            format!("There is {g} cardiomegaly"),
            format!("{} enlargement of the cardiac silhouette", capital(g)),
        ],
        Kind::Oedema => vec![
            format!("There is {g} pulmonary edema"),
            format!(
                "{} interstitial pulmonary edema with Kerley B lines",
                capital(g)
            ),
            format!(
                "Perihilar haze and vascular redistribution, consistent with {g} pulmonary edema"
            ),
        ],
        Kind::Emphysema => vec![
            format!(
                "The lungs are hyperinflated with flattened diaphragms, consistent with {g} emphysema"
            ),
            format!("{} emphysematous changes", capital(g)),
            format!("There is {g} emphysema"),
        ],
        Kind::RibFracture => {
            let rib = crate::findings::effects::fracture(f).rib;
            vec![
                format!("There is a fracture of the {s} {} rib", ordinal(rib)),
                format!(
                    "{} displaced {s} {} rib fracture",
                    capital(if f.size > 4.0 {
                        "markedly"
                    } else {
                        "minimally"
                    }),
                    ordinal(rib)
                ),
            ]
        }
        Kind::EndotrachealTube => vec![
            "An endotracheal tube is in place with its tip above the carina".to_owned(),
            "Endotracheal tube tip projects over the trachea".to_owned(),
        ],
        Kind::NasogastricTube => vec![
            "A nasogastric tube courses below the diaphragm".to_owned(),
            "Enteric tube with its tip in the stomach".to_owned(),
        ],
        Kind::CentralLine => vec![
            "A right central venous catheter ends over the superior vena cava".to_owned(),
            "Right-sided central venous line with its tip in the superior vena cava".to_owned(),
        ],
        Kind::ChestTube => vec![
            format!("A {s} chest tube is in place"),
            format!("{} chest tube directed towards the apex", capital(s)),
        ],
        Kind::Pacemaker => vec![
            "A left-sided pacemaker is in place".to_owned(),
            "Left chest wall pacemaker with intact leads".to_owned(),
        ],
        Kind::SternalWires => vec![
            "Median sternotomy wires are present".to_owned(),
            "Sternotomy wires are intact".to_owned(),
        ],
    };
    let text = format!("{}{}.", d.pick(&forms), change(f, d));
    Sentence {
        text,
        finding: Some(f.id),
        kind: Some(f.kind),
        present: true,
    }
}

fn resolved(f: &Finding, d: &mut Draws) -> Sentence {
    let what = plain(f);
    let text = if f.kind.is_device() {
        format!(
            "The {what} {}.",
            d.pick(&["has been removed", "is no longer seen"])
        )
    } else {
        format!(
            "The previously seen {what} {}.",
            d.pick(&["has resolved", "is no longer seen", "has cleared"])
        )
    };
    Sentence {
        text,
        finding: Some(f.id),
        kind: Some(f.kind),
        present: false,
    }
}

fn plain(f: &Finding) -> String {
    let s = side(f);
    match f.kind {
        Kind::Nodule => format!("nodule in the {s} {}", zone(f)),
        Kind::Mass => format!("mass in the {s} {}", zone(f)),
        Kind::Consolidation => format!("{s} {} consolidation", zone(f)),
        Kind::GroundGlass => format!("{s} {} ground-glass opacity", zone(f)),
        Kind::Interstitial => "interstitial pattern".into(),
        Kind::Effusion => format!("{s} pleural effusion"),
        Kind::Pneumothorax => format!("{s} pneumothorax"),
        Kind::Atelectasis => format!("{s} basal atelectasis"),
        Kind::Cardiomegaly => "cardiomegaly".into(),
        Kind::Oedema => "pulmonary edema".into(),
        Kind::Emphysema => "emphysema".into(),
        Kind::RibFracture => format!("{s} rib fracture"),
        Kind::EndotrachealTube => "endotracheal tube".into(),
        Kind::NasogastricTube => "nasogastric tube".into(),
        Kind::CentralLine => "central venous catheter".into(),
        Kind::ChestTube => format!("{s} chest tube"),
        Kind::Pacemaker => "pacemaker".into(),
        Kind::SternalWires => "sternotomy wires".into(),
    }
}

fn normal(visit: &Visit, d: &mut Draws) -> Vec<Sentence> {
    let has = |kinds: &[Kind]| visit.findings.iter().any(|f| kinds.contains(&f.kind));
    // A kind that was just said to be gone is not denied again.
    let gone = |kind: Kind| visit.resolved.iter().any(|f| f.kind == kind);
    let mut all = Vec::new();
    let mut say = |kind: Option<Kind>, forms: &[&str], d: &mut Draws| {
        all.push(Sentence {
            text: (*d.pick(forms)).to_owned(),
            finding: None,
            kind,
            present: false,
        });
    };
    use Kind::{
        Atelectasis, Cardiomegaly, Consolidation, Effusion, Emphysema, GroundGlass, Interstitial,
        Mass, Nodule, Oedema, Pneumothorax, RibFracture,
    };
    if !has(&[Cardiomegaly, Oedema]) {
        say(
            Some(Cardiomegaly),
            &[
                "The cardiac silhouette is within normal limits.",
                "Heart size is normal.",
                "Cardiomediastinal contours are normal.",
            ],
            d,
        );
    }
    if !has(&[
        Nodule,
        Mass,
        Consolidation,
        GroundGlass,
        Interstitial,
        Atelectasis,
        Oedema,
        Emphysema,
    ]) {
        say(
            Some(Consolidation),
            &[
                "The lungs are clear.",
                "No focal consolidation.",
                "No focal airspace opacity is seen.",
            ],
            d,
        );
    } else if !has(&[Consolidation, Mass]) && !gone(Consolidation) && d.chance(0.5) {
        say(
            Some(Consolidation),
            &[
                "No focal consolidation.",
                "There is no lobar consolidation.",
            ],
            d,
        );
    }
    match (
        has(&[Effusion]) || gone(Effusion),
        has(&[Pneumothorax]) || gone(Pneumothorax),
    ) {
        (false, false) => {
            say(
                Some(Effusion),
                &["No pleural effusion.", "There is no pleural effusion."],
                d,
            );
            say(
                Some(Pneumothorax),
                &["No pneumothorax.", "There is no pneumothorax."],
                d,
            );
        }
        (true, false) => say(
            Some(Pneumothorax),
            &["No pneumothorax.", "There is no pneumothorax."],
            d,
        ),
        (false, true) => say(
            Some(Effusion),
            &["No pleural effusion.", "There is no pleural effusion."],
            d,
        ),
        (true, true) => {}
    }
    if !has(&[RibFracture]) && d.chance(0.6) {
        say(
            Some(RibFracture),
            &[
                "No acute osseous abnormality.",
                "The bony thorax is intact.",
                "Visualized osseous structures are unremarkable.",
            ],
            d,
        );
    }
    all
}

fn impression(visit: &Visit, d: &mut Draws) -> String {
    let shown: Vec<&Finding> = visit
        .findings
        .iter()
        .filter(|f| !f.kind.is_device())
        .collect();
    if shown.is_empty() {
        return (*d.pick(
            &[
                "No acute cardiopulmonary abnormality.",
                "No acute cardiopulmonary process.",
                "Normal chest radiograph apart from devices, if any.",
            ][..2],
        ))
        .to_owned();
    }
    let lines = shown.iter().enumerate().map(|(n, f)| {
        let size = match f.kind {
            Kind::Nodule | Kind::Mass => format!("{} ", centimetres(f)),
            Kind::Effusion | Kind::Pneumothorax => format!("{} ", amount(f)),
            Kind::Cardiomegaly | Kind::Oedema | Kind::Emphysema | Kind::Interstitial => {
                format!("{} ", degree(f))
            }
            _ => String::new(),
        };
        let text = format!("{size}{}{}.", plain(f), change(f, d));
        if shown.len() > 1 {
            format!("{}. {}", n + 1, capital(&text))
        } else {
            capital(&text)
        }
    });
    lines.collect::<Vec<_>>().join(" ")
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or(String::new(), |c| {
        c.to_uppercase().collect::<String>() + letters.as_str()
    })
}

fn ordinal(n: usize) -> &'static str {
    [
        "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth",
        "tenth", "eleventh", "twelfth",
    ]
    .get(n.saturating_sub(1))
    .copied()
    .unwrap_or("lower")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::patient::Patient;
    use crate::timeline::visit;

    #[test]
    fn reports_say_what_is_there_and_nothing_else() {
        let mut texts = std::collections::BTreeSet::new();
        for number in 0..300 {
            let patient = Patient::draw(4, number);
            let v = visit(4, &patient, number % 3);
            let r = write("s", 4, number, &v, true);
            assert_eq!(r, write("s", 4, number, &v, true));
            let said: Vec<_> = r
                .sentences
                .iter()
                .filter(|s| s.present)
                .filter_map(|s| s.finding)
                .collect();
            assert_eq!(said, v.findings.iter().map(|f| f.id).collect::<Vec<_>>());
            for s in r
                .sentences
                .iter()
                .filter(|s| !s.present && s.finding.is_none())
            {
                assert!(
                    v.findings.iter().all(|f| Some(f.kind) != s.kind),
                    "{} {:?}",
                    s.text,
                    v.findings
                );
            }
            if v.number == 0 {
                assert!(
                    !r.text.contains("prior") && !r.text.contains("unchanged"),
                    "{}",
                    r.text
                );
            }
            texts.insert(r.findings);
        }
        assert!(texts.len() > 200);
    }
}
