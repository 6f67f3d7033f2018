//! A DICOM image and its way to display values: modality LUT, VOI, inversion once, 8 bit.

use crate::error::DicomError;
use crate::lut::{self, Modality, Voi};
use crate::meta::DicomMeta;
use crate::object::{self, Object, numbers, text};
use crate::pixels::{self, Frame, PixelAttributes};
use dicom_dictionary_std::tags;
use hilum_image::decode::{COLOUR_SHARE, COLOUR_TOLERANCE};
use hilum_image::recipe::{self, Recipe};
use hilum_image::{Gray, Limits, Plane};
use std::path::Path;

/// A parsed DICOM object with an image whose pixel attributes were checked.
#[derive(Debug, Clone)]
pub struct DicomImage {
    object: Object,
    /// Pixel attributes.
    pub attributes: PixelAttributes,
    /// What the tags say.
    pub meta: DicomMeta,
    limits: Limits,
}

/// Display values of one frame.
#[derive(Debug, Clone, PartialEq)]
pub struct Displayed {
    /// 0 to 255 in whole steps, bone bright.
    pub pixels: Gray,
    /// True for true colour (shown as luma).
    pub colour: bool,
    /// What was done, in order, in words.
    pub steps: Vec<String>,
}

impl DicomImage {
    /// Opens a file with the default limits.
    ///
    /// # Errors
    /// [`crate::LoadError`] for I/O, else see [`DicomError`].
    pub fn open(path: &Path) -> Result<Self, crate::LoadError> {
        let limits = Limits::default();
        let bytes = crate::load::read_limited(path, &limits)?;
        DicomImage::from_bytes(&bytes, &limits).map_err(|source| crate::LoadError::Dicom {
            path: path.to_owned(),
            source,
        })
    }

    /// Parses an object from bytes.
    ///
    /// # Errors
    /// See [`DicomError`]: no DICOM, truncated, no pixel data, palette, over the limits.
    pub fn from_bytes(bytes: &[u8], limits: &Limits) -> Result<Self, DicomError> {
        let object = object::parse(bytes)?;
        pixels::pixel_element(&object.data)?;
        let attributes = pixels::attributes(&object.data, limits)?;
        let meta = DicomMeta::read(&object.data);
        Ok(DicomImage {
            object,
            attributes,
            meta,
            limits: *limits,
        })
    }

    /// Transfer syntax UID.
    pub fn transfer_syntax(&self) -> &str {
        &self.object.transfer_syntax
    }

    /// The data set.
    pub fn data_set(&self) -> &dicom_object::InMemDicomObject {
        &self.object.data
    }

    /// The limits it was opened with.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Stored values of a frame as pydicom's `pixel_array` gives them.
    ///
    /// # Errors
    /// See [`DicomError`].
    pub fn stored(&self, frame: usize) -> Result<Frame, DicomError> {
        pixels::stored(&self.object, &self.attributes, frame)
    }

    /// Modality LUT or rescale.
    ///
    /// # Errors
    /// See [`lut::modality`].
    pub fn modality(&self) -> Result<Modality, DicomError> {
        lut::modality(&self.object.data, self.attributes.signed)
    }

    /// VOI LUT or the first window, and notes on what was left out.
    ///
    /// # Errors
    /// See [`lut::voi`].
    pub fn voi(&self) -> Result<(Voi, Vec<String>), DicomError> {
        let mut notes = Vec::new();
        let negative = self.attributes.signed
            || matches!(self.modality()?, Modality::Rescale { intercept, .. } if intercept < 0.0);
        let voi = lut::voi(&self.object.data, negative, &mut notes)?;
        Ok((voi, notes))
    }

    /// True when the image must be inverted to show bone bright: MONOCHROME1 or Presentation LUT Shape INVERSE, once.
    pub fn inverted(&self) -> bool {
        self.attributes.photometric == "MONOCHROME1"
            || text(&self.object.data, tags::PRESENTATION_LUT_SHAPE).as_deref() == Some("INVERSE")
    }

    /// Display values of a frame.
    ///
    /// # Errors
    /// See [`DicomError`].
    pub fn display(&self, frame: usize, recipe: Recipe) -> Result<Displayed, DicomError> {
        let stored = self.stored(frame)?;
        let mut steps = vec![self.decode_step(frame)];
        if stored.samples == 3 {
            return Ok(self.display_colour(stored, recipe, steps));
        }
        let modality = self.modality()?;
        steps.push(modality_step(&modality));
        let stored = Plane {
            width: stored.width,
            height: stored.height,
            data: stored.data,
        };
        let pixels = match recipe {
            Recipe::Voi => self.display_voi(&stored, &modality, &mut steps)?,
            Recipe::Linear => self.display_linear(&stored, &modality, &mut steps),
            Recipe::MimicJpg | Recipe::Chexpert => {
                self.display_equalised(&stored, &modality, recipe, &mut steps)
            }
        };
        Ok(Displayed {
            pixels,
            colour: false,
            steps,
        })
    }

    fn decode_step(&self, frame: usize) -> String {
        let a = &self.attributes;
        let sign = if a.signed { "signed" } else { "unsigned" };
        let mut step = format!(
            "{} {sign} {}-bit {}x{}",
            a.photometric, a.bits_stored, a.columns, a.rows
        );
        if a.frames > 1 {
            step.push_str(&format!(", frame {} of {}", frame + 1, a.frames));
        }
        step.push_str(&format!(
            ", transfer syntax {}",
            self.object.transfer_syntax
        ));
        if self.object.guessed {
            step.push_str(" (not stated, recognised from the first element)");
        }
        step
    }

    fn display_voi(
        &self,
        stored: &Plane<i32>,
        modality: &Modality,
        steps: &mut Vec<String>,
    ) -> Result<Gray, DicomError> {
        let (voi, notes) = self.voi()?;
        steps.extend(notes);
        let (low, high) = match &voi {
            Voi::Window { .. } => self.nominal_range(modality),
            Voi::Lut(lut) => (0.0, lut.top()),
            Voi::None => range(stored.data.iter().copied(), modality),
        };
        steps.push(voi_step(&voi, low, high));
        Ok(self.finish(stored, low, high, steps, |v| {
            voi.apply(modality.apply(v), low, high)
        }))
    }

    fn display_linear(
        &self,
        stored: &Plane<i32>,
        modality: &Modality,
        steps: &mut Vec<String>,
    ) -> Gray {
        let padding = self.padding();
        let is_padding = |v: i32| padding.is_some_and(|(from, to)| (from..=to).contains(&v));
        let (low, high) = range(
            stored.data.iter().copied().filter(|&v| !is_padding(v)),
            modality,
        );
        steps.push(format!("linear from {low} to {high}"));
        let mut pixels = self.finish(stored, low, high, steps, |v| modality.apply(v));
        if let Some((from, to)) = padding {
            steps.push(format!("padding {from} to {to} shown black"));
            let pairs = pixels.data.iter_mut().zip(&stored.data);
            pairs
                .filter(|(_, v)| is_padding(**v))
                .for_each(|(p, _)| *p = 0.0);
        }
        pixels
    }

    fn display_equalised(
        &self,
        stored: &Plane<i32>,
        modality: &Modality,
        recipe: Recipe,
        steps: &mut Vec<String>,
    ) -> Gray {
        let values = stored.map(|&v| modality.apply(f64::from(v)) as f32);
        let invert = self.inverted();
        if invert {
            steps.push("inverted".into());
        }
        steps.push(format!("histogram equalisation ({recipe})"));
        if recipe == Recipe::MimicJpg {
            recipe::mimic_jpg(&values, invert)
        } else {
            recipe::chexpert(&values, invert)
        }
    }

    fn finish(
        &self,
        stored: &Plane<i32>,
        low: f64,
        high: f64,
        steps: &mut Vec<String>,
        f: impl Fn(f64) -> f64,
    ) -> Gray {
        let invert = self.inverted();
        if invert {
            steps.push("inverted".into());
        }
        steps.push("8 bit".into());
        let show = |v: i32| recipe::display_value(f(f64::from(v)), low, high, invert);
        let bits = self.attributes.bits_stored;
        if bits > 16 || stored.data.len() < 1 << bits {
            return stored.map(|&v| show(v));
        }
        let first = if self.attributes.signed {
            -(1i32 << (bits - 1))
        } else {
            0
        };
        let table: Vec<f32> = (0..1i32 << bits).map(|i| show(first + i)).collect();
        stored.map(|&v| table[(v - first) as usize])
    }

    /// The range that Bits Stored allows, in modality units: what a window's output spans in pydicom.
    fn nominal_range(&self, modality: &Modality) -> (f64, f64) {
        let bits = self.attributes.bits_stored;
        let top = 2f64.powi(bits as i32);
        let (low, high) = if self.attributes.signed {
            (-top / 2.0, top / 2.0 - 1.0)
        } else {
            (0.0, top - 1.0)
        };
        match modality {
            Modality::Lut(lut) => (0.0, lut.top()),
            _ => {
                let (a, b) = (modality.apply(low), modality.apply(high));
                (a.min(b), a.max(b))
            }
        }
    }

    /// Pixel Padding Value and Range Limit as an inclusive range of stored values.
    fn padding(&self) -> Option<(i32, i32)> {
        let first = |tag| {
            numbers(&self.object.data, tag)
                .and_then(|v| v.first().copied())
                .map(|v| v as i32)
        };
        let one = first(tags::PIXEL_PADDING_VALUE)?;
        let other = first(tags::PIXEL_PADDING_RANGE_LIMIT).unwrap_or(one);
        Some((one.min(other), one.max(other)))
    }

    fn display_colour(&self, frame: Frame, recipe: Recipe, mut steps: Vec<String>) -> Displayed {
        let top = f64::from(((1u64 << self.attributes.bits_stored) - 1) as u32);
        let tolerance = top * COLOUR_TOLERANCE;
        let mut coloured = 0usize;
        let luma: Vec<f32> = frame
            .data
            .chunks_exact(3)
            .map(|px| {
                let (r, g, b) = (f64::from(px[0]), f64::from(px[1]), f64::from(px[2]));
                coloured += usize::from(r.max(g).max(b) - r.min(g).min(b) > tolerance);
                (0.299 * r + 0.587 * g + 0.114 * b) as f32
            })
            .collect();
        let colour = coloured as f64 > COLOUR_SHARE * luma.len() as f64;
        steps.push("luma of RGB (Rec. 601)".into());
        let values = Plane {
            width: frame.width,
            height: frame.height,
            data: luma,
        };
        let pixels = values_to_display(&values, top, recipe, &mut steps);
        Displayed {
            pixels,
            colour,
            steps,
        }
    }
}

/// Values between 0 and `top` without tags (PNG, JPEG, TIFF, colour DICOM) to display values.
pub(crate) fn values_to_display(
    values: &Gray,
    top: f64,
    recipe: Recipe,
    steps: &mut Vec<String>,
) -> Gray {
    let (low, high) = values
        .min_max()
        .map_or((0.0, 0.0), |(a, b)| (f64::from(a), f64::from(b)));
    match recipe {
        Recipe::Voi => {
            steps.push(format!("full range 0 to {top}, 8 bit"));
            values.map(|&v| recipe::display_value(f64::from(v), 0.0, top, false))
        }
        Recipe::Linear => {
            steps.push(format!("linear from {low} to {high}, 8 bit"));
            values.map(|&v| recipe::display_value(f64::from(v), low, high, false))
        }
        Recipe::MimicJpg | Recipe::Chexpert => {
            steps.push(format!("histogram equalisation ({recipe})"));
            if recipe == Recipe::MimicJpg {
                recipe::mimic_jpg(values, false)
            } else {
                recipe::chexpert(values, false)
            }
        }
    }
}

fn range(values: impl Iterator<Item = i32>, modality: &Modality) -> (f64, f64) {
    if let Modality::Lut(_) = modality {
        return values.fold((f64::INFINITY, f64::NEG_INFINITY), |(lo, hi), v| {
            let v = modality.apply(f64::from(v));
            (lo.min(v), hi.max(v))
        });
    }
    let (lo, hi) = values.fold((i32::MAX, i32::MIN), |(lo, hi), v| (lo.min(v), hi.max(v)));
    if lo > hi {
        return (0.0, 0.0);
    }
    let (a, b) = (modality.apply(f64::from(lo)), modality.apply(f64::from(hi)));
    (a.min(b), a.max(b))
}

fn modality_step(modality: &Modality) -> String {
    match modality {
        Modality::Identity => "no modality transform".into(),
        Modality::Rescale { slope, intercept } => {
            format!("rescale slope {slope} intercept {intercept}")
        }
        Modality::Lut(lut) => format!("modality LUT of {} entries", lut.table.len()),
    }
}

fn voi_step(voi: &Voi, low: f64, high: f64) -> String {
    match voi {
        Voi::None => format!("no window: linear from {low} to {high}"),
        Voi::Lut(lut) => format!("VOI LUT of {} entries", lut.table.len()),
        Voi::Window {
            center,
            width,
            function,
        } => format!("window centre {center} width {width} {}", function.name()),
    }
}
