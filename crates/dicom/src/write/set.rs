//! Puts a data set together, element by element.

use super::WriteError;
use dicom_core::value::DataSetSequence;
use dicom_core::{DataElement, PrimitiveValue, Tag, VR, dicom_value};
use dicom_dictionary_std::{tags, uids};
use dicom_object::{FileMetaTableBuilder, InMemDicomObject};

/// A data set under way.
#[derive(Debug, Clone)]
pub struct DataSet(pub InMemDicomObject);

impl Default for DataSet {
    fn default() -> Self {
        DataSet(InMemDicomObject::new_empty())
    }
}

impl DataSet {
    /// One element; an earlier one of the same tag is replaced.
    pub fn put(&mut self, tag: Tag, vr: VR, value: impl Into<PrimitiveValue>) {
        let value: PrimitiveValue = value.into();
        self.0.put(DataElement::new(tag, vr, value));
    }

    /// One text.
    pub fn text(&mut self, tag: Tag, vr: VR, value: &str) {
        self.put(tag, vr, PrimitiveValue::from(value));
    }

    /// Several texts.
    pub fn texts(&mut self, tag: Tag, vr: VR, values: &[&str]) {
        let values = values.iter().map(|v| (*v).to_owned()).collect();
        self.put(tag, vr, PrimitiveValue::Strs(values));
    }

    /// Elements of type 2 whose value is not known.
    pub fn empty(&mut self, elements: &[(Tag, VR)]) {
        for (tag, vr) in elements {
            self.put(*tag, *vr, PrimitiveValue::Empty);
        }
    }

    /// An unsigned short.
    pub fn number(&mut self, tag: Tag, value: u16) {
        self.put(tag, VR::US, dicom_value!(U16, [value]));
    }

    /// Decimal strings.
    pub fn decimal(&mut self, tag: Tag, values: &[f64]) {
        let texts: Vec<String> = values.iter().map(|v| decimal(*v)).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        self.texts(tag, VR::DS, &texts);
    }

    /// A sequence.
    pub fn sequence(&mut self, tag: Tag, items: Vec<DataSet>) {
        let items: Vec<InMemDicomObject> = items.into_iter().map(|i| i.0).collect();
        self.0
            .put(DataElement::new(tag, VR::SQ, DataSetSequence::from(items)));
    }

    /// A sequence of one code (value, scheme, meaning), or of none.
    pub fn code(&mut self, tag: Tag, code: Option<[&str; 3]>) {
        let items = code.into_iter().map(|[value, scheme, meaning]| {
            let mut item = DataSet::default();
            item.text(tags::CODE_VALUE, VR::SH, value);
            item.text(tags::CODING_SCHEME_DESIGNATOR, VR::SH, scheme);
            item.text(tags::CODE_MEANING, VR::LO, meaning);
            item
        });
        self.sequence(tag, items.collect());
    }

    /// The bytes of a DICOM file, explicit little endian, of this SOP class and instance.
    ///
    /// # Errors
    /// [`WriteError::Encoding`].
    pub fn file(self, class: &str, instance: &str) -> Result<Vec<u8>, WriteError> {
        let meta = FileMetaTableBuilder::new()
            .media_storage_sop_class_uid(class)
            .media_storage_sop_instance_uid(instance)
            .transfer_syntax(uids::EXPLICIT_VR_LITTLE_ENDIAN);
        let fail = |e: &dyn std::fmt::Display| WriteError::Encoding {
            reason: e.to_string(),
        };
        let file = self.0.with_meta(meta).map_err(|e| fail(&e))?;
        let mut bytes = Vec::new();
        file.write_all(&mut bytes).map_err(|e| fail(&e))?;
        Ok(bytes)
    }
}

/// A decimal string of at most sixteen characters (PS3.5, 6.2).
pub fn decimal(value: f64) -> String {
    let plain = value.to_string();
    if plain.len() <= 16 {
        return plain;
    }
    let digits = format!("{value:.9e}");
    // A sign and an exponent of three digits leave room for one digit less.
    if digits.len() <= 16 {
        digits
    } else {
        format!("{value:.8e}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_fit_their_field() {
        for value in [
            1.0 / 3.0,
            1e300,
            1e-300,
            -1.0e-300 / 3.0,
            -123_456.789_012_345,
            0.8,
        ] {
            let text = decimal(value);
            assert!(text.len() <= 16, "{text}");
            let back: f64 = text.parse().unwrap();
            assert!((back - value).abs() <= value.abs() * 1e-7);
        }
    }
}
