//! Bad files and bad command lines: a reason, the other files done, the right exit code, nothing half written.
#![allow(clippy::unwrap_used)] // A failed unwrap is a failed test.

mod common;

use common::{code, hilum, json_lines, run, sample, stderr, tree};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// What became of every file, by name: the kind of its error, or the gate's codes.
fn outcomes(lines: &[Value]) -> BTreeMap<String, String> {
    let name = |path: &Value| {
        path.as_str()
            .unwrap()
            .rsplit('/')
            .next()
            .unwrap()
            .to_owned()
    };
    let mut found = BTreeMap::new();
    for line in lines {
        if let Some(kind) = line.pointer("/error/kind") {
            assert!(
                line["error"]["message"]
                    .as_str()
                    .unwrap()
                    .contains(&name(&line["path"])),
                "{line}"
            );
            found.insert(name(&line["path"]), kind.as_str().unwrap().to_owned());
        } else {
            let codes: Vec<&str> = line["gate"]["reasons"]
                .as_array()
                .unwrap()
                .iter()
                .filter_map(|r| r["code"].as_str())
                .collect();
            found.insert(
                name(&line["images"][0]["path"]),
                format!("read:{}", codes.join(",")),
            );
        }
    }
    found
}

#[test]
fn each_bad_file_has_its_reason_and_the_good_ones_are_read() {
    let good = sample("images/adult-pa.jpg");
    let output = run([
        "read",
        &text(&sample("bad")),
        &text(&good),
        "/nowhere/absent.png",
        "--json",
    ]);
    assert_eq!(code(&output), 1);
    let found = outcomes(&json_lines(&output));
    assert_eq!(found["empty.dcm"], "empty");
    assert_eq!(found["text.png"], "not_an_image");
    assert_eq!(found["oversized.png"], "too_large");
    assert_eq!(found["absent.png"], "io");
    for name in ["truncated.dcm", "truncated.jpg"] {
        assert!(
            ["truncated", "corrupt"].contains(&found[name].as_str()),
            "{name}: {}",
            found[name]
        );
    }
    assert!(found["one-pixel.png"].contains("too_small"));
    assert!(found["colour.png"].contains("colour"));
    assert!(
        found["jpeg-named.dcm"].starts_with("read:"),
        "told by its bytes, not by its name"
    );
    assert!(found["adult-pa.jpg"].starts_with("read:"));
    assert!(
        !stderr(&output).contains("internal error"),
        "{}",
        stderr(&output)
    );
}

/// One reading that the gate stopped for `reason`: nothing is assessed, measured or denied.
fn stopped_by_the_gate(path: &str, reason: &str) {
    let output = run(["read", &text(&sample(path)), "--json"]);
    assert_eq!(code(&output), 0, "{path}: {}", stderr(&output));
    let reading = json_lines(&output).remove(0);
    assert_eq!(reading["gate"]["analysable"], false, "{path}");
    let reasons = reading["gate"]["reasons"].as_array().unwrap();
    assert!(
        reasons
            .iter()
            .any(|r| r["code"] == reason && r["blocking"] == true),
        "{path}: {reasons:?}"
    );
    let findings = reading["findings"].as_array().unwrap();
    assert!(!findings.is_empty());
    assert!(findings.iter().all(|f| f["status"] == "not_assessed"
        && f["probability"].is_null()
        && f["regions"].as_array().unwrap().is_empty()));
    assert!(reading["measurements"].as_array().unwrap().is_empty());
    let report = reading["report"]["findings"].as_str().unwrap();
    assert!(!report.contains("No pneumothorax"), "{path}: {report}");
}

#[test]
fn what_the_gate_stops_is_not_assessed_and_not_denied() {
    stopped_by_the_gate("bad/colour.png", "colour");
    stopped_by_the_gate("bad/ct-slice.png", "not_chest_xray");
    stopped_by_the_gate("images/lateral-simulated.png", "lateral");
}

#[test]
fn wrong_usage_ends_with_two() {
    let image = text(&sample("images/adult-pa.jpg"));
    let file = tempfile::NamedTempFile::new().unwrap();
    let cases: [&[&str]; 8] = [
        &["read"],
        &["read", &image, "--recipe", "sepia"],
        &["read", &image, "--jobs", "0"],
        &["read", &image, "--out", &text(file.path())],
        &["reed"],
        &["train"],
        &["inspect", &image, "--model", "no-such-model"],
        &["data", "scan", ".", "--set", "no-such-set"],
    ];
    for case in cases {
        let output = run(case);
        assert_eq!(code(&output), 2, "{case:?}: {}", stderr(&output));
        assert!(output.stdout.is_empty(), "{case:?}");
    }
    assert_eq!(code(&run(["--version"])), 0);
}

#[test]
fn an_empty_folder_and_a_missing_model_folder_are_errors() {
    let empty = tempfile::tempdir().unwrap();
    let output = run(["read", &text(empty.path()), "--json"]);
    assert_eq!((code(&output), output.stdout.len()), (1, 0));
    let output = run([
        "read",
        &text(&sample("images/adult-pa.jpg")),
        "--models",
        "/nowhere/models",
    ]);
    assert_eq!(code(&output), 1);
    assert!(stderr(&output).contains("/nowhere/models"));
}

#[cfg(unix)]
#[test]
fn an_unreadable_folder_is_a_line_and_the_others_are_read() {
    use std::os::unix::fs::PermissionsExt;
    let root = tempfile::tempdir().unwrap();
    let locked = root.path().join("locked");
    std::fs::create_dir(&locked).unwrap();
    std::fs::copy(sample("images/adult-pa.jpg"), root.path().join("a.jpg")).unwrap();
    std::fs::set_permissions(&locked, std::fs::Permissions::from_mode(0o000)).unwrap();
    if std::fs::read_dir(&locked).is_ok() {
        eprintln!(
            "skipped: an unreadable folder needs a user who may not read everything, and this one may"
        );
        return;
    }
    let output = run(["read", &text(root.path()), "--json"]);
    std::fs::set_permissions(&locked, std::fs::Permissions::from_mode(0o700)).unwrap();
    assert_eq!(code(&output), 1);
    let lines = json_lines(&output);
    assert_eq!(lines.len(), 2);
    assert!(lines.iter().any(|l| l["error"]["kind"] == "io"));
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_device_on_stdout_is_an_error_in_words() {
    let full = File::options().write(true).open("/dev/full").unwrap();
    let output = hilum()
        .args(["read", &text(&sample("images/adult-pa.jpg")), "--json"])
        .stdout(full)
        .output()
        .unwrap();
    assert_eq!(code(&output), 1);
    assert!(stderr(&output).contains("space"), "{}", stderr(&output));
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_leaves_nothing_half_written() {
    let place = tempfile::tempdir().unwrap();
    let mounted = Command::new("mount")
        .args([
            "-t",
            "tmpfs",
            "-o",
            "size=64k",
            "tmpfs",
            &text(place.path()),
        ])
        .output();
    if !mounted.is_ok_and(|o| o.status.success()) {
        eprintln!(
            "skipped: a small file system needs the right to mount one, which this user has not"
        );
        return;
    }
    let output = run([
        "read",
        &text(&sample("images/adult-pa.dcm")),
        "--json",
        "--out",
        &text(place.path()),
    ]);
    let left = tree(place.path());
    let undone = Command::new("umount").arg(place.path()).status();
    assert_eq!(code(&output), 1, "{}", stderr(&output));
    assert_eq!(json_lines(&output)[0]["error"]["kind"], "disk_full");
    assert!(left.is_empty(), "{left:?}");
    assert!(undone.is_ok_and(|s| s.success()));
}

/// Files of a reading that end as they should.
fn is_whole(path: &Path) -> bool {
    let bytes = std::fs::read(path).unwrap();
    match path.extension().and_then(|e| e.to_str()) {
        Some("png") => bytes.ends_with(b"IEND\xaeB`\x82"),
        Some("html") => String::from_utf8_lossy(&bytes)
            .trim_end()
            .ends_with("</html>"),
        Some("json") => serde_json::from_slice::<Value>(&bytes).is_ok(),
        _ => false,
    }
}

#[test]
fn a_kill_leaves_whole_files_only() {
    let (input, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let image = std::fs::read(sample("images/child-pneumonia.jpg")).unwrap();
    for n in 0..60 {
        // A trailing byte makes another file, another hash and another study.
        let mut bytes = image.clone();
        bytes.extend([0, n]);
        std::fs::write(input.path().join(format!("{n:02}.jpg")), bytes).unwrap();
    }
    let mut child = hilum()
        .args([
            "read",
            &text(input.path()),
            "--json",
            "--out",
            &text(out.path()),
        ])
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let start = Instant::now();
    while tree(out.path()).len() < 12 && start.elapsed() < Duration::from_secs(120) {
        std::thread::sleep(Duration::from_millis(2));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let files = tree(out.path());
    assert!(!files.is_empty());
    for file in &files {
        let name = file.file_name().unwrap().to_string_lossy();
        let unfinished = name.starts_with(".hilum-") && name.ends_with(".part");
        assert!(
            unfinished || is_whole(&out.path().join(file)),
            "{}",
            file.display()
        );
    }
    for file in files.iter().filter(|f| f.ends_with("reading.json")) {
        let folder = out.path().join(file.parent().unwrap());
        assert!(
            folder.join("report.html").is_file() && folder.join("overlay.png").is_file(),
            "{}",
            folder.display()
        );
    }
}
