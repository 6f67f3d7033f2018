//! Pictures for the gate: chest X-rays upright and inverted, and everything else.

use super::config::{CHEST, Config, LATERALS, OTHER};
use super::framing::reframed;
use crate::blocks::classify::ClassifyData;
use crate::blocks::pictures::{Lungs, Picture, load_pictures};
use crate::context::Context;
use crate::error::Result;
use hilum_core::View;
use hilum_data::{Sample, Split};
use hilum_image::Plane;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Answers of one picture; `NaN` where the question makes no sense or the set does not tell.
type Answers = [f32; 4];

const NOT_CHEST: Answers = [0.0, f32::NAN, f32::NAN, f32::NAN];

/// Samples of one split, evenly picked so that no set is larger than it should be.
pub fn samples(ctx: &Context<'_>, split: Split) -> Result<Vec<Sample>> {
    let mut out = Vec::new();
    for (set, most) in CHEST.iter().chain(&OTHER) {
        let all = ctx.samples("gate", &[set])?;
        let own: Vec<Sample> = all
            .into_iter()
            .filter(|s| s.split == Some(split) && is_clear(s))
            .collect();
        out.extend(evenly(own, if ctx.tiny { (*most).min(6) } else { *most }));
    }
    Ok(out)
}

/// VQA-RAD's chest images mix X-rays and CT without saying which, so they teach nothing here.
fn is_clear(s: &Sample) -> bool {
    s.set != "vqa_rad" || !s.raw_labels.iter().any(|l| l.eq_ignore_ascii_case("chest"))
}

fn evenly(items: Vec<Sample>, most: usize) -> Vec<Sample> {
    let n = items.len();
    if n <= most {
        return items;
    }
    let chosen = |i: usize| (i * most) / n != ((i + 1) * most) / n;
    items
        .into_iter()
        .enumerate()
        .filter(|(i, _)| chosen(*i))
        .map(|(_, s)| s)
        .collect()
}

fn answers(s: &Sample) -> Answers {
    if !CHEST.iter().any(|(set, _)| *set == s.set) {
        return NOT_CHEST;
    }
    let lateral = LATERALS.contains(&s.id.as_str()) || s.view == View::Lateral;
    // An image without a stated view that is not on the list was seen to be frontal; in the test split
    // nobody looked, so there it stays unknown.
    let frontal = match (lateral, s.view.is_frontal(), s.split) {
        (true, _, _) => 0.0,
        (_, true, _) => 1.0,
        (_, _, Some(Split::Test)) => f32::NAN,
        _ => 1.0,
    };
    let paediatric = match (s.set.as_str(), s.age) {
        ("kermany_paediatric", _) => 1.0,
        (_, Some(age)) => f32::from(u8::from(age < 18.0)),
        // Sets of adults whose ages are not told row by row.
        ("covid_figure1" | "iu_xray", None) => f32::NAN,
        _ => 0.0,
    };
    [1.0, frontal, 0.0, paediatric]
}

/// Loads pictures and answers. Every picture comes a second time framed otherwise, and every chest X-ray
/// inverted as well. In training, laterals are repeated and a few synthetic pictures stand for test images,
/// blank films and noise.
pub fn load(samples: &[Sample], config: &Config, training: bool) -> Result<Labelled> {
    let pictures = load_pictures(samples, &config.contract(), Lungs::None, &[])?;
    let mut rng = ChaCha8Rng::seed_from_u64(20_260_417);
    let mut out = Labelled::default();
    for (sample, picture) in samples.iter().zip(pictures) {
        let answers = answers(sample);
        let copies = if training && answers[1] == 0.0 {
            config.lateral_copies
        } else {
            1
        };
        for _ in 0..copies {
            let framed = Picture {
                plane: reframed(&picture.plane, &mut rng),
                ..picture.clone()
            };
            for (picture, is_framed) in [(&picture, false), (&framed, true)] {
                if answers[0] == 1.0 {
                    out.add(inverted(picture), turned(answers), sample, is_framed);
                }
                out.add(picture.clone(), answers, sample, is_framed);
            }
        }
    }
    for (i, plane) in synthetic(config.size).into_iter().enumerate() {
        if training == (i % 4 != 0) {
            out.add_synthetic(plane, i);
        }
    }
    Ok(out)
}

/// Pictures with answers, and which set each is of.
#[derive(Default)]
pub struct Labelled {
    /// What is learnt from and measured on.
    pub data: ClassifyData,
    /// Set of every picture; `synthetic` for made ones.
    pub sets: Vec<String>,
    /// Whether the picture was framed otherwise than it is stored.
    pub framed: Vec<bool>,
}

impl Labelled {
    fn add(&mut self, picture: Picture, answers: Answers, sample: &Sample, framed: bool) {
        let patient = sample.patient.as_deref().unwrap_or(&sample.id);
        self.push(picture, answers, patient, &sample.set, framed);
    }

    fn add_synthetic(&mut self, plane: Plane<u8>, i: usize) {
        let (w, h) = (plane.width, plane.height);
        let crop = hilum_core::Rect {
            x: 0.0,
            y: 0.0,
            w: w as f64,
            h: h as f64,
        };
        let picture = Picture {
            plane,
            crop,
            stored: (w, h),
            masks: Vec::new(),
        };
        self.push(
            picture,
            NOT_CHEST,
            &format!("synthetic-{i}"),
            "synthetic",
            false,
        );
    }

    fn push(&mut self, picture: Picture, answers: Answers, patient: &str, set: &str, framed: bool) {
        self.data.pictures.push(picture);
        self.data.targets.push(answers.to_vec());
        self.data.patients.push(patient.to_owned());
        self.sets.push(set.to_owned());
        self.framed.push(framed);
    }
}

fn inverted(picture: &Picture) -> Picture {
    Picture {
        plane: picture.plane.map(|v| 255 - v),
        ..picture.clone()
    }
}

fn turned(answers: Answers) -> Answers {
    let [chest, frontal, _, paediatric] = answers;
    [chest, frontal, 1.0, paediatric]
}

/// Blank, noisy, striped and graded pictures.
fn synthetic(size: usize) -> Vec<Plane<u8>> {
    let mut rng = ChaCha8Rng::seed_from_u64(20_170_505);
    (0..80)
        .map(|i| {
            let (a, b): (f32, f32) = (rng.random(), rng.random());
            let period = 2 + (a * 20.0) as usize;
            let level = b * 255.0;
            Plane::from_fn(size, size, |x, y| match i % 4 {
                0 => level as u8,
                1 => rng.random::<u8>(),
                2 => {
                    if (x / period + (y / period) * usize::from(a > 0.5)).is_multiple_of(2) {
                        230
                    } else {
                        20
                    }
                }
                _ => {
                    ((x as f32 * a + y as f32 * b) / (size as f32 * (a + b).max(0.1)) * 255.0) as u8
                }
            })
        })
        .collect()
}
