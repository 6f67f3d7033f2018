//! Pictures of structures and of marks, as options to choose from.

use crate::random::Choices;
use hilum_core::{Line, Point};
use hilum_measure::structure::RIBS;
use hilum_measure::{Index, MaskSet, Outcome, Structure};

/// What one picture shows: structures that belong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Group {
    Lungs,
    Heart,
    UpperMediastinum,
    Airway,
    AscendingAorta,
    AorticArch,
    DescendingAorta,
    Spine,
    Clavicles,
    Scapulae,
    Ribs,
}

impl Group {
    pub(crate) const ALL: [Group; 11] = [
        Group::Lungs,
        Group::Heart,
        Group::UpperMediastinum,
        Group::Airway,
        Group::AscendingAorta,
        Group::AorticArch,
        Group::DescendingAorta,
        Group::Spine,
        Group::Clavicles,
        Group::Scapulae,
        Group::Ribs,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Group::Lungs => "lungs",
            Group::Heart => "heart",
            Group::UpperMediastinum => "upper mediastinum",
            Group::Airway => "trachea",
            Group::AscendingAorta => "ascending aorta",
            Group::AorticArch => "aortic arch",
            Group::DescendingAorta => "descending aorta",
            Group::Spine => "spine",
            Group::Clavicles => "clavicles",
            Group::Scapulae => "scapulae",
            Group::Ribs => "right posterior ribs",
        }
    }

    /// The masks that are drawn; empty when the set has none of them.
    pub(crate) fn masks(self, set: &MaskSet) -> Vec<Structure> {
        use Structure as S;
        let first = |lists: &[&[S]]| {
            let there = |s: &S| {
                set.given(*s)
                    .is_some_and(|m| m.data.iter().any(|&v| v != 0))
            };
            let found = lists.iter().find(|l| l.iter().all(there));
            found.map(|l| l.to_vec()).unwrap_or_default()
        };
        match self {
            Group::Lungs => first(&[&[S::RightLung, S::LeftLung], &[S::Lungs]]),
            Group::Heart => first(&[&[S::Heart]]),
            Group::UpperMediastinum => first(&[&[S::UpperMediastinum]]),
            Group::Airway => first(&[&[S::Trachea, S::Carina], &[S::Trachea]]),
            Group::AscendingAorta => first(&[&[S::AscendingAorta]]),
            Group::AorticArch => first(&[&[S::AorticArch]]),
            Group::DescendingAorta => first(&[&[S::DescendingAorta]]),
            Group::Spine => first(&[&[S::Spine], &[S::SpinousProcesses]]),
            Group::Clavicles => first(&[&[S::RightClavicle, S::LeftClavicle]]),
            Group::Scapulae => first(&[&[S::RightScapula, S::LeftScapula]]),
            Group::Ribs => RIBS
                .map(S::RightPosteriorRib)
                .filter(|s| set.given(*s).is_some())
                .collect(),
        }
    }
}

/// What an index is read from.
pub(crate) fn needed(index: Index) -> &'static [Group] {
    match index {
        Index::Cardiomegaly => &[Group::Lungs, Group::Heart],
        Index::MediastinalWidening => &[Group::UpperMediastinum, Group::Lungs],
        Index::CarinaAngle => &[Group::Airway],
        Index::TracheaDeviation => &[Group::Airway, Group::Spine],
        Index::AorticKnob => &[Group::AorticArch, Group::Airway],
        Index::AscendingAorta => &[Group::AscendingAorta, Group::Lungs, Group::Heart],
        Index::DescendingAorta => &[Group::DescendingAorta, Group::Airway],
        Index::Tortuosity => &[Group::DescendingAorta],
        Index::Inclusion => &[Group::Lungs],
        Index::Inspiration => &[Group::Ribs, Group::Lungs],
        Index::Rotation => &[Group::Clavicles, Group::Spine],
        Index::Projection => &[Group::Scapulae, Group::Lungs],
    }
}

/// Groups that lie so close to a needed one that neither answer would be wrong.
pub(crate) fn too_close(index: Index, group: Group) -> bool {
    matches!(
        (index, group),
        // It holds arch and trachea.
        (
            Index::AorticKnob | Index::CarinaAngle | Index::TracheaDeviation,
            Group::UpperMediastinum
        ) | (Index::MediastinalWidening, Group::AorticArch | Group::Airway | Group::AscendingAorta)
            | (Index::DescendingAorta | Index::Tortuosity | Index::AscendingAorta, Group::AorticArch)
            // Both are walked past when the midline, the dome or the aorta is found.
            | (Index::DescendingAorta | Index::Tortuosity, Group::Heart)
            | (Index::Inspiration, Group::Clavicles)
            | (Index::AscendingAorta, Group::Airway)
    )
}

/// The same marks somewhere else: moved by a share of the image, or drawn together about their middle.
pub(crate) fn displaced(outcome: &Outcome, set: &MaskSet, choices: &mut Choices) -> Vec<Outcome> {
    let (w, h) = set.size();
    let moves = [(0.10, 0.09), (-0.10, 0.09), (0.10, -0.09), (-0.10, -0.09)];
    let mut wrong: Vec<Outcome> = choices
        .pick(moves.to_vec(), 2)
        .into_iter()
        .map(|(dx, dy)| {
            mapped(outcome, |p| Point {
                x: p.x + dx * w as f64,
                y: p.y + dy * h as f64,
            })
        })
        .collect();
    let middle = middle(outcome);
    wrong.push(mapped(outcome, |p| Point {
        x: middle.x + 0.12 * w as f64 + 1.5 * (p.x - middle.x),
        y: middle.y + 0.06 * h as f64 + 1.5 * (p.y - middle.y),
    }));
    wrong
}

fn middle(outcome: &Outcome) -> Point {
    let ends = outcome.lines.iter().flat_map(|l| [l.line.from, l.line.to]);
    let all: Vec<Point> = outcome.points.iter().map(|p| p.at).chain(ends).collect();
    let n = all.len().max(1) as f64;
    Point {
        x: all.iter().map(|p| p.x).sum::<f64>() / n,
        y: all.iter().map(|p| p.y).sum::<f64>() / n,
    }
}

fn mapped(outcome: &Outcome, to: impl Fn(Point) -> Point) -> Outcome {
    let mut out = outcome.clone();
    for p in &mut out.points {
        p.at = to(p.at);
    }
    for l in &mut out.lines {
        l.line = Line {
            from: to(l.line.from),
            to: to(l.line.to),
        };
    }
    out
}
