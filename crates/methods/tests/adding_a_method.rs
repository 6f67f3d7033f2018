//! The worked example in `docs/adding-a-method.md` is what stands in the files.
#![allow(clippy::unwrap_used)]

use std::path::Path;

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// (file, code) of each block that names its file.
fn blocks(page: &str) -> Vec<(&str, &str)> {
    let parts = page.split("<!-- from: ").skip(1);
    parts
        .map(|part| {
            let (file, rest) = part.split_once(" -->\n```rust\n").unwrap();
            (file, rest.split_once("\n```").unwrap().0)
        })
        .collect()
}

#[test]
fn blocks_of_code_are_those_of_their_files() {
    let page = std::fs::read_to_string(root().join("docs/adding-a-method.md")).unwrap();
    let blocks = blocks(&page);
    assert!(blocks.len() >= 8, "{}", blocks.len());
    for (file, code) in blocks {
        let text = std::fs::read_to_string(root().join(file)).unwrap();
        assert!(text.contains(code), "{file} no longer holds:\n{code}");
    }
}

#[test]
fn the_example_is_one_folder_and_one_line() {
    let source = root().join("crates/methods/src");
    let registry = std::fs::read_to_string(source.join("registry.rs")).unwrap();
    let named = |line: &&str| line.contains("supervised_dictionary");
    assert_eq!(registry.lines().filter(named).count(), 1);
    // No other file of the crate knows of it but the list of modules.
    let mut knowing = Vec::new();
    let mut folders = vec![source.clone()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.ends_with("supervised_dictionary") {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else if std::fs::read_to_string(&path)
                .unwrap()
                .contains("supervised_dictionary")
            {
                knowing.push(path.strip_prefix(&source).unwrap().to_owned());
            }
        }
    }
    knowing.sort();
    assert_eq!(knowing, [Path::new("lib.rs"), Path::new("registry.rs")]);
}
