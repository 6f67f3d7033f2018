//! Keys that tie sentences to their evidence in the page.
//!
//! A key is made from positions, never from text of the reading, so it needs no escaping:
//! `f3` a finding, `r3-0` its first region, `h3-0` its heat map on image 0, `m2` a measurement,
//! `g1` a gate reason, `i0` an image, `s4` a sentence.

use hilum_core::{Evidence, EvidenceKind, Reading};

/// Looks up keys in one reading.
pub(super) struct Links<'a> {
    reading: &'a Reading,
}

/// One thing a sentence rests on: its key and the label to show.
pub(super) struct Target {
    pub key: String,
    pub label: String,
}

impl<'a> Links<'a> {
    pub(super) fn of(reading: &'a Reading) -> Self {
        Links { reading }
    }

    /// What `evidence` points at; several when the reading uses a name twice.
    pub(super) fn targets(&self, evidence: &Evidence) -> Vec<Target> {
        let wanted = evidence.target.as_str();
        let reading = self.reading;
        match evidence.kind {
            EvidenceKind::Finding => named(
                reading.findings.iter().map(|f| (&f.code, &f.name)),
                wanted,
                "f",
            ),
            EvidenceKind::Measurement => {
                let names = reading
                    .measurements
                    .iter()
                    .map(|m| (&m.name, m.name.replace('_', " ")));
                named(names, wanted, "m")
            }
            EvidenceKind::Gate => {
                let codes = reading
                    .gate
                    .reasons
                    .iter()
                    .map(|r| (&r.code, r.code.replace('_', " ")));
                named(codes, wanted, "g")
            }
            EvidenceKind::Region => self.regions(wanted),
            EvidenceKind::Image => wanted.parse::<usize>().map_or(Vec::new(), |index| {
                vec![Target {
                    key: format!("i{index}"),
                    label: format!("image {}", index + 1),
                }]
            }),
        }
    }

    /// Keys of all targets, for a `data-links` attribute.
    pub(super) fn keys(&self, evidence: &[Evidence]) -> String {
        let keys: Vec<String> = evidence
            .iter()
            .flat_map(|e| self.targets(e))
            .map(|t| t.key)
            .collect();
        keys.join(" ")
    }

    fn regions(&self, wanted: &str) -> Vec<Target> {
        let mut out = Vec::new();
        for (f, finding) in self.reading.findings.iter().enumerate() {
            for (r, _) in finding
                .regions
                .iter()
                .enumerate()
                .filter(|(_, region)| region.id == wanted)
            {
                out.push(Target {
                    key: format!("r{f}-{r}"),
                    label: "box".to_owned(),
                });
            }
        }
        out
    }
}

fn named<N: AsRef<str>, L: ToString>(
    names: impl Iterator<Item = (N, L)>,
    wanted: &str,
    prefix: &str,
) -> Vec<Target> {
    let found = names
        .enumerate()
        .filter(|(_, (name, _))| name.as_ref() == wanted);
    found
        .map(|(n, (_, label))| Target {
            key: format!("{prefix}{n}"),
            label: label.to_string(),
        })
        .collect()
}
