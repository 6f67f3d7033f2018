//! Any bytes as a structured report or segmentation: read or refused, no panic, no memory beyond the limits.
#![no_main]

use hilum_dicom::Limits;
use hilum_objects::back;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let limits = Limits { max_side: 2048, max_pixels: 1 << 20, max_bytes: 64 << 20, max_file_bytes: 1 << 20 };
    if let Ok(opened) = back::open(data, "fuzz".as_ref(), &limits) {
        let _ = back::assemble(vec![opened]);
    }
});
