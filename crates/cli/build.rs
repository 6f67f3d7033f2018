//! Writes the list of the results in `bench/results` that are those of methods, so that `hilum methods` knows
//! them from any folder, and the published hashes of the models.

use std::error::Error;
use std::fmt::Write;
use std::path::{Path, PathBuf};

fn main() -> Result<(), Box<dyn Error>> {
    let folder = Path::new(&std::env::var("CARGO_MANIFEST_DIR")?).join("../../bench/results");
    let mut list = String::from("&[\n");
    if folder.is_dir() {
        println!("cargo:rerun-if-changed={}", folder.display());
        let mut files = Vec::new();
        for entry in std::fs::read_dir(&folder)? {
            files.push(entry?.path());
        }
        files.sort();
        for path in files
            .iter()
            .filter(|p| p.extension().is_some_and(|e| e == "json"))
        {
            println!("cargo:rerun-if-changed={}", path.display());
            let name = path
                .file_stem()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            writeln!(
                list,
                "    ({name:?}, include_str!({:?})),",
                path.canonicalize()?
            )?;
        }
    } else {
        println!("cargo:rerun-if-changed=build.rs");
    }
    list.push_str("]\n");
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    std::fs::write(out.join("results.rs"), list)?;
    let sums = Path::new(&std::env::var("CARGO_MANIFEST_DIR")?).join("../../models/SHA256SUMS");
    if sums.is_file() {
        println!("cargo:rerun-if-changed={}", sums.display());
    }
    // Without published sums there is nothing to compare with; `weights verify` says so for each model.
    std::fs::write(
        out.join("SHA256SUMS"),
        std::fs::read_to_string(&sums).unwrap_or_default(),
    )?;
    Ok(())
}
