//! Writes the list of the models that are embedded: every `models/*.safetensors` of the repository that
//! is there when the crate is built, with its hash.

use sha2::{Digest, Sha256};
use std::error::Error;
use std::fmt::Write;
use std::path::{Path, PathBuf};

fn main() -> Result<(), Box<dyn Error>> {
    let folder = Path::new(&std::env::var("CARGO_MANIFEST_DIR")?).join("../../models");
    // A folder that does not exist would make every build a rebuild, so then its parent is watched.
    let watched = if folder.is_dir() {
        folder.clone()
    } else {
        folder.join("..").join("Cargo.toml")
    };
    println!("cargo:rerun-if-changed={}", watched.display());
    let mut list = String::from("&[\n");
    for path in weight_files(&folder)? {
        println!("cargo:rerun-if-changed={}", path.display());
        let hash =
            Sha256::digest(std::fs::read(&path)?)
                .iter()
                .fold(String::new(), |mut text, b| {
                    let _ = write!(text, "{b:02x}");
                    text
                });
        let name = path
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        writeln!(
            list,
            "    ({name:?}, {hash:?}, include_bytes!({:?}) as &[u8]),",
            path.canonicalize()?
        )?;
    }
    list.push_str("]\n");
    std::fs::write(
        PathBuf::from(std::env::var("OUT_DIR")?).join("embedded.rs"),
        list,
    )?;
    Ok(())
}

fn weight_files(folder: &Path) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|e| e == "safetensors") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
