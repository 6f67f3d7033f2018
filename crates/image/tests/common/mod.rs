//! Reading of parity fixtures, shared by the tests.
#![allow(dead_code, clippy::unwrap_used)]

use hilum_image::{Limits, Plane};
use std::fs::File;
use std::path::{Path, PathBuf};

/// The folder of parity fixtures, if it is there.
pub fn parity() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/parity");
    root.is_dir().then_some(root)
}

/// Says why a test did nothing.
pub fn skip(what: &str) {
    eprintln!("skipped: {what} needs ../shared/parity, which is not here");
}

/// An 8-bit grey PNG.
pub fn gray_png(path: &Path) -> Plane<u8> {
    let raster =
        hilum_image::decode::decode(&std::fs::read(path).unwrap(), &Limits::default()).unwrap();
    assert_eq!(raster.bits, 8);
    raster.values.map(|&v| v as u8)
}

/// A NumPy zip whose arrays are read as numbers in C order.
pub struct Npz(ndarray_npy::NpzReader<File>);

impl Npz {
    pub fn open(path: &Path) -> Self {
        Npz(ndarray_npy::NpzReader::new(File::open(path).unwrap()).unwrap())
    }

    /// Names of the arrays.
    pub fn names(&mut self) -> Vec<String> {
        let names = self.0.names().unwrap();
        let bare = |n: &String| n.trim_end_matches(".npy").to_owned();
        names.iter().map(bare).collect()
    }

    pub fn get(&mut self, name: &str) -> Option<Vec<f64>> {
        use ndarray::{IxDyn, OwnedRepr};
        let names = self.0.names().unwrap();
        let name = names
            .iter()
            .find(|n| n.trim_end_matches(".npy") == name)?
            .clone();
        macro_rules! attempt {
            ($($t:ty),*) => {$(
                if let Ok(array) = self.0.by_name::<OwnedRepr<$t>, IxDyn>(&name) {
                    return Some(array.iter().map(|&v| v as f64).collect());
                }
            )*};
        }
        attempt!(u8, f32, f64, i32, i64, u16, i16, i8);
        let array = self.0.by_name::<OwnedRepr<bool>, IxDyn>(&name).unwrap();
        Some(array.iter().map(|&v| f64::from(u8::from(v))).collect())
    }
}
