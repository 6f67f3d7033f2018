//! From a value to a label, with the band in which both labels count.

use hilum_core::View;

/// A threshold.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Threshold {
    /// Positive from this value on.
    AtLeast(f64),
    /// Positive from this value on, by projection.
    ByView {
        /// On postero-anterior images.
        pa: f64,
        /// On antero-posterior images.
        ap: f64,
    },
    /// Positive up to this value.
    AtMost(f64),
    /// Positive outside of a range.
    Outside(f64, f64),
}

/// What a value means.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Decision {
    /// The label by the threshold alone; null when it depends on something unknown.
    pub positive: Option<bool>,
    /// Whether the negative and the positive label count as right.
    pub accepts: [bool; 2],
    /// Why there is no label.
    pub why: Option<&'static str>,
}

impl Decision {
    /// A label that stands alone.
    pub fn sure(positive: bool) -> Self {
        Decision {
            positive: Some(positive),
            accepts: [!positive, positive],
            why: None,
        }
    }

    /// No label.
    pub fn none(why: &'static str) -> Self {
        Decision {
            positive: None,
            accepts: [false; 2],
            why: Some(why),
        }
    }

    /// A label beside which the other one counts too when `near`.
    pub fn banded(positive: bool, near: bool) -> Self {
        Decision {
            positive: Some(positive),
            accepts: [near || !positive, near || positive],
            why: None,
        }
    }

    /// True when both labels count.
    pub fn in_band(&self) -> bool {
        self.accepts == [true, true]
    }
}

impl Threshold {
    /// Decides. Without a known projection, a threshold by projection decides only where both agree.
    pub fn decide(self, value: f64, tolerance: f64, view: View) -> Decision {
        let near = |limit: f64| (value - limit).abs() <= tolerance;
        match self {
            Threshold::AtLeast(limit) => Decision::banded(value >= limit, near(limit)),
            Threshold::AtMost(limit) => Decision::banded(value <= limit, near(limit)),
            Threshold::Outside(low, high) => {
                let outside = value < low || value > high;
                Decision::banded(outside, near(low) || near(high))
            }
            Threshold::ByView { pa, ap } => match view {
                View::Pa => Threshold::AtLeast(pa).decide(value, tolerance, view),
                View::Ap => Threshold::AtLeast(ap).decide(value, tolerance, view),
                _ => {
                    let at = |limit| Threshold::AtLeast(limit).decide(value, tolerance, view);
                    let (one, other) = (at(pa), at(ap));
                    if one == other {
                        one
                    } else {
                        Decision::none(
                            "the threshold depends on the projection (PA or AP), which is not known",
                        )
                    }
                }
            },
        }
    }

    /// The threshold in words for a projection.
    pub fn words(self, view: View, unit: &str) -> String {
        let unit = if unit.is_empty() {
            String::new()
        } else {
            format!(" {unit}")
        };
        match (self, view) {
            (Threshold::AtLeast(v), _) => format!("at least {v}{unit}"),
            (Threshold::AtMost(v), _) => format!("at most {v}{unit}"),
            (Threshold::Outside(a, b), _) => format!("below {a} or above {b}{unit}"),
            (Threshold::ByView { pa, .. }, View::Pa) => format!("at least {pa}{unit} (PA)"),
            (Threshold::ByView { ap, .. }, View::Ap) => format!("at least {ap}{unit} (AP)"),
            (Threshold::ByView { pa, ap }, _) => {
                format!("at least {pa} (PA) or {ap} (AP){unit}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inside_the_band_both_labels_count() {
        let rule = Threshold::ByView { pa: 0.5, ap: 0.55 };
        let at = |v, view| rule.decide(v, 0.01, view);
        assert_eq!(at(0.52, View::Pa), Decision::sure(true));
        assert_eq!(at(0.52, View::Ap), Decision::sure(false));
        assert_eq!(at(0.505, View::Pa).accepts, [true, true]);
        assert_eq!(at(0.505, View::Pa).positive, Some(true));
        assert!(at(0.545, View::Ap).in_band());
        assert_eq!(at(0.7, View::Unknown), Decision::sure(true));
        assert_eq!(at(0.4, View::Frontal), Decision::sure(false));
        assert_eq!(at(0.52, View::Unknown).positive, None);
        let angle = Threshold::Outside(40.0, 80.0);
        assert_eq!(angle.decide(60.0, 10.0, View::Pa), Decision::sure(false));
        assert!(angle.decide(72.0, 10.0, View::Pa).in_band());
        assert_eq!(angle.decide(95.0, 10.0, View::Pa), Decision::sure(true));
        let turned = Threshold::AtMost(0.4);
        assert_eq!(turned.decide(0.2, 0.1, View::Pa), Decision::sure(true));
        assert_eq!(turned.decide(0.9, 0.1, View::Pa), Decision::sure(false));
    }
}
