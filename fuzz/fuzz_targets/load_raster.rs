//! Any bytes behind the magic bytes of PNG, JPEG and TIFF.
#![no_main]

use hilum_dicom::{Limits, Recipe, load_bytes};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let limits = Limits { max_side: 2048, max_pixels: 1 << 20, max_bytes: 64 << 20, max_file_bytes: 1 << 20 };
    let _ = load_bytes(data, "fuzz".as_ref(), Recipe::Voi, 0, &limits);
    let magics: [&[u8]; 4] = [b"\x89PNG\r\n\x1a\n", b"\xFF\xD8\xFF", b"II*\0", b"MM\0*"];
    if let Some((&first, rest)) = data.split_first() {
        let mut file = magics[usize::from(first % 4)].to_vec();
        file.extend_from_slice(rest);
        let _ = load_bytes(&file, "fuzz".as_ref(), Recipe::Chexpert, 0, &limits);
    }
});
