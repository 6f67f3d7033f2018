//! Any bytes as a DICOM file: no panic, no memory beyond the limits.
#![no_main]

use hilum_dicom::{Limits, Recipe, load_bytes};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let limits = Limits { max_side: 2048, max_pixels: 1 << 20, max_bytes: 64 << 20, max_file_bytes: 1 << 20 };
    let _ = load_bytes(data, "fuzz".as_ref(), Recipe::Voi, 0, &limits);
    // The same bytes behind a valid prefix reach the parser more often.
    let mut file = vec![0u8; 128];
    file.extend_from_slice(b"DICM");
    file.extend_from_slice(data);
    let _ = load_bytes(&file, "fuzz".as_ref(), Recipe::Linear, 0, &limits);
});
