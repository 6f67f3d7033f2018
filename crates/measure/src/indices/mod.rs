//! The indices, one file each. Each gives an outcome or the reason why not.

mod ascending;
mod cardiomegaly;
mod carina;
mod descending;
mod inclusion;
mod inspiration;
mod knob;
mod mediastinum;
mod projection;
mod rotation;
mod tortuosity;
mod trachea;

pub use tortuosity::mean_curvature;

use crate::airway::Airway;
use crate::aorta::Walls;
use crate::chest::Chest;
use crate::error::Refusal;
use crate::index::Index;
use crate::masks::MaskSet;
use crate::outcome::Outcome;
use crate::rows::extent;
use hilum_core::View;

/// What several indices need, made once.
pub(crate) struct Seen<'a> {
    pub(crate) set: &'a MaskSet,
    pub(crate) view: View,
    pub(crate) chest: Result<Chest, Refusal>,
    pub(crate) airway: Result<Airway, Refusal>,
    pub(crate) walls: Result<Walls, Refusal>,
}

impl<'a> Seen<'a> {
    fn of(set: &'a MaskSet, view: View) -> Self {
        let chest = Chest::of(set);
        let apex = chest.as_ref().ok().and_then(|c| extent(&c.both));
        Seen {
            airway: Airway::of(set, apex.map(|a| a.0)),
            walls: Walls::of(set),
            set,
            view,
            chest,
        }
    }

    pub(crate) fn chest(&self) -> Result<&Chest, Refusal> {
        self.chest.as_ref().map_err(Clone::clone)
    }

    pub(crate) fn airway(&self) -> Result<&Airway, Refusal> {
        self.airway.as_ref().map_err(Clone::clone)
    }

    pub(crate) fn walls(&self) -> Result<&Walls, Refusal> {
        self.walls.as_ref().map_err(Clone::clone)
    }

    fn take(&self, index: Index) -> Outcome {
        let taken = match index {
            Index::Cardiomegaly => cardiomegaly::take(self),
            Index::MediastinalWidening => mediastinum::take(self),
            Index::CarinaAngle => carina::take(self),
            Index::TracheaDeviation => trachea::take(self),
            Index::AorticKnob => knob::take(self),
            Index::AscendingAorta => ascending::take(self),
            Index::DescendingAorta => descending::take(self),
            Index::Tortuosity => tortuosity::take(self),
            Index::Inclusion => inclusion::take(self),
            Index::Inspiration => inspiration::take(self),
            Index::Rotation => rotation::take(self),
            Index::Projection => projection::take(self),
        };
        taken.unwrap_or_else(|why| Outcome::refused(index, &why))
    }
}

/// Takes all twelve indices, in the order of [`Index::ALL`].
///
/// ```
/// use hilum_core::View;
/// use hilum_image::Mask;
/// use hilum_measure::{Index, MaskSet, Structure, measure};
///
/// let block = |x0: usize, x1: usize| {
///     Mask::from_fn(100, 100, move |x, y| u8::from((x0..x1).contains(&x) && (20..80).contains(&y)))
/// };
/// let mut set = MaskSet::new(100, 100)?;
/// set.insert(Structure::RightLung, block(10, 40))?;
/// set.insert(Structure::LeftLung, block(60, 90))?;
/// set.insert(Structure::Heart, block(35, 71))?;
/// let all = measure(&set, View::Pa);
/// assert_eq!((all[0].index, all[0].value, all[0].label), (Index::Cardiomegaly, Some(0.45), Some("not_enlarged")));
/// assert_eq!(all[2].reason.as_deref(), Some("there is no mask of trachea"));
/// # Ok::<(), hilum_measure::MeasureError>(())
/// ```
pub fn measure(set: &MaskSet, view: View) -> Vec<Outcome> {
    let seen = Seen::of(set, view);
    Index::ALL.into_iter().map(|i| seen.take(i)).collect()
}

/// Takes one index.
pub fn measure_one(index: Index, set: &MaskSet, view: View) -> Outcome {
    Seen::of(set, view).take(index)
}
