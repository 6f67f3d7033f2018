//! Modality LUT, VOI LUT and VOI window (DICOM PS3.3 C.11.1 and C.11.2, PS3.4 N.2).

use crate::error::DicomError;
use crate::object::{element, numbers, text};
use dicom_core::Tag;
use dicom_dictionary_std::tags;
use dicom_object::InMemDicomObject;

/// A table from `first` on; indices outside take the first or last entry.
#[derive(Debug, Clone, PartialEq)]
pub struct Lut {
    /// Input value of the first entry.
    pub first: i64,
    /// Bits of an entry; the output range is `0..2^bits`.
    pub bits: u32,
    /// Entries.
    pub table: Vec<u16>,
}

impl Lut {
    /// The entry for `value`, which is truncated to an integer as pydicom does.
    pub fn apply(&self, value: f64) -> f64 {
        let index = (value as i64)
            .saturating_sub(self.first)
            .clamp(0, self.table.len() as i64 - 1);
        f64::from(self.table[index as usize])
    }

    /// Largest output, `2^bits - 1`.
    pub fn top(&self) -> f64 {
        f64::from((1u32 << self.bits) - 1)
    }
}

/// From stored values to the units of the modality.
#[derive(Debug, Clone, PartialEq)]
pub enum Modality {
    /// Nothing is stated.
    Identity,
    /// `value * slope + intercept`.
    Rescale {
        /// Slope, not 0.
        slope: f64,
        /// Intercept.
        intercept: f64,
    },
    /// Modality LUT Sequence.
    Lut(Lut),
}

impl Modality {
    /// The value in modality units.
    pub fn apply(&self, stored: f64) -> f64 {
        match self {
            Modality::Identity => stored,
            Modality::Rescale { slope, intercept } => stored * slope + intercept,
            Modality::Lut(lut) => lut.apply(stored),
        }
    }
}

/// VOI LUT Function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WindowFunction {
    /// `LINEAR`, the default: half a unit off centre, one unit narrower.
    Linear,
    /// `LINEAR_EXACT`.
    LinearExact,
    /// `SIGMOID`.
    Sigmoid,
}

impl WindowFunction {
    /// The defined term.
    pub fn name(self) -> &'static str {
        match self {
            WindowFunction::Linear => "LINEAR",
            WindowFunction::LinearExact => "LINEAR_EXACT",
            WindowFunction::Sigmoid => "SIGMOID",
        }
    }
}

/// What selects the visible range.
#[derive(Debug, Clone, PartialEq)]
pub enum Voi {
    /// Nothing is stated.
    None,
    /// VOI LUT Sequence, preferred over a window.
    Lut(Lut),
    /// Window.
    Window {
        /// Centre.
        center: f64,
        /// Width.
        width: f64,
        /// Function.
        function: WindowFunction,
    },
}

impl Voi {
    /// The window's output between `low` and `high`, or the LUT's entry; the value itself without VOI.
    pub fn apply(&self, value: f64, low: f64, high: f64) -> f64 {
        match self {
            Voi::None => value,
            Voi::Lut(lut) => lut.apply(value),
            Voi::Window {
                center,
                width,
                function,
            } => match function {
                WindowFunction::Linear => ramp(value, center - 0.5, width - 1.0, low, high),
                WindowFunction::LinearExact => ramp(value, *center, *width, low, high),
                WindowFunction::Sigmoid => {
                    (high - low) / (1.0 + (-4.0 * (value - center) / width).exp()) + low
                }
            },
        }
    }
}

fn ramp(value: f64, center: f64, width: f64, low: f64, high: f64) -> f64 {
    if value <= center - width / 2.0 {
        low
    } else if value > center + width / 2.0 {
        high
    } else {
        ((value - center) / width + 0.5) * (high - low) + low
    }
}

/// Reads Modality LUT Sequence or Rescale Slope and Intercept.
///
/// # Errors
/// [`DicomError::BadAttribute`] for a slope of 0 or a LUT whose descriptor and data disagree.
pub fn modality(data: &InMemDicomObject, signed: bool) -> Result<Modality, DicomError> {
    if let Some(lut) = lut_item(data, tags::MODALITY_LUT_SEQUENCE, signed)? {
        return Ok(Modality::Lut(lut));
    }
    let first = |tag: Tag| numbers(data, tag).and_then(|v| v.first().copied());
    let (slope, intercept) = (first(tags::RESCALE_SLOPE), first(tags::RESCALE_INTERCEPT));
    match (slope, intercept) {
        (None, None) => Ok(Modality::Identity),
        (Some(0.0), _) => Err(DicomError::BadAttribute {
            name: "RescaleSlope",
            value: "0".into(),
            reason: "all pixels would be equal",
        }),
        (slope, intercept) => Ok(Modality::Rescale {
            slope: slope.unwrap_or(1.0),
            intercept: intercept.unwrap_or(0.0),
        }),
    }
}

/// Reads VOI LUT Sequence or the first window. `notes` says what was left out and why.
///
/// # Errors
/// [`DicomError::BadAttribute`] for an unknown function or a LUT whose descriptor and data disagree.
pub fn voi(
    data: &InMemDicomObject,
    signed: bool,
    notes: &mut Vec<String>,
) -> Result<Voi, DicomError> {
    if let Some(lut) = lut_item(data, tags::VOILUT_SEQUENCE, signed)? {
        return Ok(Voi::Lut(lut));
    }
    let (Some(centers), Some(widths)) = (
        numbers(data, tags::WINDOW_CENTER),
        numbers(data, tags::WINDOW_WIDTH),
    ) else {
        return Ok(Voi::None);
    };
    let function = window_function(data)?;
    let (center, width) = (centers[0], widths[0]);
    let allowed = if function == WindowFunction::Linear {
        width >= 1.0
    } else {
        width > 0.0
    };
    if !allowed {
        notes.push(format!(
            "window left out: width {width} is not allowed for {}",
            function.name()
        ));
        return Ok(Voi::None);
    }
    if centers.len() > 1 {
        notes.push(format!("first of {} windows", centers.len()));
    }
    Ok(Voi::Window {
        center,
        width,
        function,
    })
}

fn window_function(data: &InMemDicomObject) -> Result<WindowFunction, DicomError> {
    match text(data, tags::VOILUT_FUNCTION).as_deref() {
        None | Some("LINEAR") => Ok(WindowFunction::Linear),
        Some("LINEAR_EXACT") => Ok(WindowFunction::LinearExact),
        Some("SIGMOID") => Ok(WindowFunction::Sigmoid),
        Some(other) => Err(DicomError::BadAttribute {
            name: "VOILUTFunction",
            value: other.to_owned(),
            reason: "known are LINEAR, LINEAR_EXACT and SIGMOID",
        }),
    }
}

fn lut_item(
    data: &InMemDicomObject,
    sequence: Tag,
    signed: bool,
) -> Result<Option<Lut>, DicomError> {
    let item = data
        .get(sequence)
        .and_then(|e| e.items())
        .and_then(|items| items.first());
    item.map(|item| read_lut(item, signed)).transpose()
}

fn read_lut(item: &InMemDicomObject, signed: bool) -> Result<Lut, DicomError> {
    let bad = |value: String, reason| DicomError::BadAttribute {
        name: "LUTDescriptor",
        value,
        reason,
    };
    let descriptor = element(item, tags::LUT_DESCRIPTOR).ok_or(DicomError::MissingAttribute {
        name: "LUTDescriptor",
    })?;
    let values: Vec<i64> = descriptor
        .to_multi_int()
        .map_err(|e| bad(e.to_string(), "no integers"))?;
    let [entries, first, bits] = values[..] else {
        return Err(bad(format!("{values:?}"), "three values are needed"));
    };
    let entries = if entries & 0xFFFF == 0 {
        65536
    } else {
        (entries & 0xFFFF) as usize
    };
    let first = if signed && first > i64::from(i16::MAX) {
        first - 65536
    } else {
        first
    };
    if !(1..=16).contains(&bits) {
        return Err(bad(bits.to_string(), "entries have 1 to 16 bits"));
    }
    let table = lut_table(item, entries)?;
    Ok(Lut {
        first,
        bits: bits as u32,
        table,
    })
}

fn lut_table(item: &InMemDicomObject, entries: usize) -> Result<Vec<u16>, DicomError> {
    let data =
        element(item, tags::LUT_DATA).ok_or(DicomError::MissingAttribute { name: "LUTData" })?;
    let bytes = data.to_bytes().map_err(|e| DicomError::Parse {
        reason: e.to_string(),
    })?;
    let mut table: Vec<u16> = if bytes.len() >= 2 * entries {
        bytes
            .chunks_exact(2)
            .map(|b| u16::from_le_bytes([b[0], b[1]]))
            .collect()
    } else if bytes.len() >= entries {
        bytes.iter().map(|&b| u16::from(b)).collect()
    } else {
        return Err(DicomError::BadAttribute {
            name: "LUTData",
            value: format!("{} bytes for {entries} entries", bytes.len()),
            reason: "too short",
        });
    };
    table.truncate(entries);
    Ok(table)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_linear_window_of_width_one_is_a_threshold() {
        let voi = Voi::Window {
            center: 100.0,
            width: 1.0,
            function: WindowFunction::Linear,
        };
        assert_eq!(voi.apply(99.0, 0.0, 255.0), 0.0);
        assert_eq!(voi.apply(100.0, 0.0, 255.0), 255.0);
    }

    #[test]
    fn sigmoid_is_half_at_its_centre() {
        let voi = Voi::Window {
            center: 10.0,
            width: 4.0,
            function: WindowFunction::Sigmoid,
        };
        assert_eq!(voi.apply(10.0, 0.0, 1.0), 0.5);
    }

    #[test]
    fn lut_indices_outside_take_the_ends() {
        let lut = Lut {
            first: -2,
            bits: 8,
            table: vec![1, 2, 3],
        };
        assert_eq!(
            (lut.apply(-9.0), lut.apply(-1.0), lut.apply(9.0)),
            (1.0, 2.0, 3.0)
        );
    }
}
