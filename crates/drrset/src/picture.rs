//! What both sets share: reading a CT, splits by patient, writing pictures.

use crate::error::SetError;
use crate::inputs::CtInput;
use crate::store::{sha256, write_bytes};
use hilum_image::{Gray, draw};
use hilum_volume::load::{Loaded, load};
use sha2::{Digest, Sha256};
use std::path::Path;

/// A CT has air around or in it: a volume whose lowest value is over this is none in Hounsfield units.
const AIR: f32 = -200.0;

/// Reads a CT.
///
/// # Errors
/// [`SetError::Volume`]; [`SetError::Bad`] for a volume without air, such as a label volume.
pub fn read_ct(ct: &CtInput) -> Result<Loaded, SetError> {
    let loaded = load(&ct.path)?;
    let (low, high) = loaded.volume.min_max();
    if low > AIR {
        return Err(SetError::bad(
            &ct.path,
            format!(
                "values from {low} to {high}: no air, so no CT in Hounsfield units (a label volume?)"
            ),
        ));
    }
    Ok(loaded)
}

/// Train (70 %), val (12 %) or test by a hash of the patient alone, so that more CTs move nobody.
pub fn split(patient: &str) -> &'static str {
    let digest = Sha256::digest(format!("drrset\t{patient}"));
    let head = u16::from_be_bytes([digest[0], digest[1]]);
    match f64::from(head) / 65536.0 {
        u if u < 0.70 => "train",
        u if u < 0.82 => "val",
        _ => "test",
    }
}

/// Writes values from 0 to 1 as an 8-bit PNG; gives its SHA-256.
///
/// # Errors
/// [`SetError::Io`].
pub fn write_png(folder: &Path, path: &str, shown: &Gray) -> Result<String, SetError> {
    let bytes = draw::encode_gray_png(&shown.map(|&v| (v * 255.0 + 0.5) as u8))?;
    write_bytes(&folder.join(path), &bytes)?;
    Ok(sha256(&bytes))
}

/// What decides about a CT's part beside the settings: its bytes and what comes with it.
pub fn key(ct: &CtInput, with: &str) -> String {
    sha256(format!("{}\t{}\t{with}", ct.bytes, ct.patient).as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_hang_on_the_patient_alone() {
        let count = |name: &str| {
            (0..1000)
                .filter(|n| split(&format!("p{n}")) == name)
                .count()
        };
        assert!((640..760).contains(&count("train")) && (80..160).contains(&count("val")));
        assert_eq!(split("train_1"), split("train_1"));
    }
}
