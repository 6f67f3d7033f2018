//! `hilum measure` and `hilum quiz` as scripts use them.

mod common;

use common::{code, json_lines, run, sample, stderr, stdout};
use hilum_image::{Mask, Plane, draw};
use serde_json::Value;
use std::path::Path;

fn write_mask(path: &Path, mask: &Mask) {
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
    let png = draw::encode_gray_png(mask).expect("encoded");
    std::fs::write(path, png).expect("written");
}

fn block(x0: usize, x1: usize, y0: usize, y1: usize, value: u8) -> Mask {
    Plane::from_fn(200, 200, |x, y| {
        if (x0..x1).contains(&x) && (y0..y1).contains(&y) {
            value
        } else {
            0
        }
    })
}

/// Lungs 20 to 180, a heart 72 wide.
fn chest(folder: &Path, prefix: &str) {
    for (name, mask) in [
        ("right_lung", block(20, 80, 30, 170, 255)),
        ("left_lung", block(120, 180, 30, 170, 255)),
        ("Heart", block(70, 142, 100, 160, 1)),
        ("liver", block(20, 80, 170, 190, 255)),
    ] {
        write_mask(&folder.join(format!("{prefix}{name}.png")), &mask);
    }
}

fn index<'a>(row: &'a Value, name: &str) -> &'a Value {
    let all = row["indices"].as_array().expect("a list");
    all.iter().find(|o| o["index"] == name).expect("the index")
}

#[test]
fn a_folder_of_masks_is_measured_and_drawn() {
    let dir = tempfile::tempdir().expect("a folder");
    let masks = dir.path().join("case7");
    chest(&masks, "");
    let out = dir.path().join("out");
    let path = |p: &Path| p.display().to_string();
    let done = run([
        "measure",
        "--masks",
        &path(&masks),
        "--view",
        "pa",
        "--json",
        "--out",
        &path(&out),
    ]);
    assert_eq!(code(&done), 0, "{}", stderr(&done));
    let row = &json_lines(&done)[0];
    assert_eq!((&row["id"], &row["width"]), (&"case7".into(), &200.into()));
    let heart = index(row, "cardiomegaly");
    assert_eq!(heart["value"], 0.45);
    assert_eq!(
        (&heart["label"], &heart["in_band"]),
        (&"not_enlarged".into(), &false.into())
    );
    assert_eq!(heart["lines"].as_array().map(Vec::len), Some(2));
    assert_eq!(heart["quantities"][0]["unit"], "px");
    let none = index(row, "carina_angle");
    assert!(none["value"].is_null() && none["reason"] == "there is no mask of trachea");
    assert_eq!(index(row, "inclusion")["label"], "complete");
    assert!(
        row["notes"][0]
            .as_str()
            .is_some_and(|n| n.contains("1 files"))
    );
    for overlay in row["overlays"].as_object().expect("overlays").values() {
        let bytes = std::fs::read(overlay.as_str().expect("a path")).expect("there");
        assert_eq!(&bytes[1..4], b"PNG");
    }
    let kept = std::fs::read_to_string(out.join("measurements.jsonl")).expect("there");
    assert_eq!(kept, stdout(&done));
    let table = run(["measure", "--masks", &path(&masks)]);
    assert!(
        stdout(&table).contains("cardiomegaly          0.45"),
        "{}",
        stdout(&table)
    );
}

#[test]
fn masks_by_image_and_by_class_are_found() {
    let dir = tempfile::tempdir().expect("a folder");
    let masks = dir.path().join("masks");
    chest(&masks, "one-");
    chest(&masks.join("two"), "");
    let classes = Plane::from_fn(200, 200, |x, y| match (x, y) {
        (20..80, 30..170) => 1u8,
        (120..180, 30..170) => 2,
        (80..120, 100..160) => 3,
        _ => 0,
    });
    write_mask(&masks.join("three.png"), &classes);
    let image = |name: &str| {
        let path = dir.path().join(format!("{name}.png"));
        write_mask(
            &path,
            &Plane::from_fn(200, 200, |x, y| ((x + y) % 256) as u8),
        );
        path.display().to_string()
    };
    let folder = masks.display().to_string();
    let (one, two, three) = (image("one"), image("two"), image("three"));
    let done = run([
        "measure",
        &one,
        &two,
        "--masks",
        &folder,
        "--json",
        "--index",
        "cardiomegaly",
    ]);
    assert_eq!(code(&done), 0, "{}", stderr(&done));
    let rows = json_lines(&done);
    assert!(
        rows.iter().all(|r| r["indices"][0]["value"] == 0.45),
        "{rows:?}"
    );
    let done = run([
        "measure",
        &three,
        "--masks",
        &folder,
        "--classes",
        "jsrt",
        "--json",
    ]);
    assert_eq!(
        index(&json_lines(&done)[0], "cardiomegaly")["value"],
        0.25,
        "{}",
        stderr(&done)
    );
    // One that fails does not take the others with it.
    let four = image("four");
    let done = run(["measure", &four, &one, "--masks", &folder, "--json"]);
    assert_eq!((code(&done), json_lines(&done).len()), (1, 1));
    assert!(
        stderr(&done).contains("no mask for `four`"),
        "{}",
        stderr(&done)
    );
}

#[test]
fn bad_masks_are_named() {
    let dir = tempfile::tempdir().expect("a folder");
    let at = |name: &str| dir.path().join(name);
    let measure = |folder: &str| run(["measure", "--masks", &at(folder).display().to_string()]);
    for (folder, files, words) in [
        (
            "none",
            vec![("liver", block(0, 9, 0, 9, 1))],
            "no mask for `none`",
        ),
        (
            "sizes",
            vec![
                ("heart", block(0, 9, 0, 9, 1)),
                ("lungs", Plane::filled(30, 30, 1)),
            ],
            "sizes/heart.png: the mask of heart has 200 x 200 pixels",
        ),
        (
            "twice",
            vec![
                ("right lung", block(0, 9, 0, 9, 1)),
                ("right_lung", block(0, 9, 0, 9, 1)),
            ],
            "both masks of right_lung",
        ),
    ] {
        for (name, mask) in files {
            write_mask(&at(folder).join(format!("{name}.png")), &mask);
        }
        let done = measure(folder);
        assert_eq!(code(&done), 1, "{folder}");
        assert!(stderr(&done).contains(words), "{folder}: {}", stderr(&done));
    }
    std::fs::create_dir_all(at("broken")).expect("made");
    std::fs::write(at("broken").join("heart.png"), b"no picture").expect("written");
    assert!(stderr(&measure("broken")).contains("heart.png"));
    // An empty mask is a structure that was not found: null with its reason.
    write_mask(&at("empty").join("heart.png"), &Plane::filled(50, 50, 0));
    write_mask(&at("empty").join("lungs.png"), &Plane::filled(50, 50, 0));
    let said = stdout(&measure("empty"));
    assert!(said.contains("the mask of lungs is empty"), "{said}");
    for (args, words) in [
        (vec!["measure"], "<IMAGES>"),
        (vec!["measure", "x.png", "--index", "ctr"], "cardiomegaly"),
        (
            vec!["measure", "x.png", "--masks", ".", "--classes", "1=liver"],
            "not a structure",
        ),
        (
            vec!["measure", "a/x.png", "b/x.png", "--masks", "."],
            "same name",
        ),
    ] {
        let done = run(&args);
        assert_eq!(code(&done), 2, "{args:?}: {}", stderr(&done));
        assert!(stderr(&done).contains(words), "{args:?}: {}", stderr(&done));
    }
}

#[test]
fn an_image_is_outlined_by_the_segmenter() {
    let image = sample("images/adult-no-finding.jpg").display().to_string();
    let done = run(["measure", &image, "--view", "pa", "--json"]);
    assert_eq!(code(&done), 0, "{}", stderr(&done));
    let row = &json_lines(&done)[0];
    assert_eq!(row["model"], "lungs_heart");
    let ratio = index(row, "cardiomegaly")["value"].as_f64();
    assert!(ratio.is_some_and(|v| (0.3..0.7).contains(&v)), "{row}");
    let slice = sample("images/lateral-simulated.png").display().to_string();
    let done = run(["measure", &slice]);
    assert!(
        code(&done) == 1 && stderr(&done).contains("stopped by the gate"),
        "{}",
        stderr(&done)
    );
}

#[test]
fn questions_are_made_answered_and_scored() {
    let dir = tempfile::tempdir().expect("a folder");
    let at = |name: &str| dir.path().join(name).display().to_string();
    let made = run([
        "phantom",
        "--n",
        "3",
        "--size",
        "192",
        "--frontal-only",
        "--out",
        &at("set"),
    ]);
    assert_eq!(code(&made), 0, "{}", stderr(&made));
    let manifest = at("set/manifests/phantom.csv");
    let args = [
        "quiz",
        "make",
        &manifest,
        "--out",
        &at("quiz"),
        "--side",
        "128",
    ];
    let done = run(args);
    assert_eq!(code(&done), 0, "{}", stderr(&done));
    assert!(stdout(&done).contains("cases"), "{}", stdout(&done));
    assert!(stderr(&run(args)).contains("holds a set of questions already"));
    let score = |answers: &str| {
        run([
            "quiz",
            "score",
            &at("quiz"),
            "--answers",
            &at(answers),
            "--json",
        ])
    };
    run(["quiz", "oracle", &at("quiz"), "--out", &at("oracle.jsonl")]);
    let report: Value = serde_json::from_str(&stdout(&score("oracle.jsonl"))).expect("JSON");
    for path in report["all"]["paths"].as_array().expect("paths") {
        assert_eq!(path["completed"]["value"], 1.0, "{path}");
        assert!(
            path["completed"]["interval"][0]
                .as_f64()
                .is_some_and(|v| v < 1.0)
        );
    }
    run([
        "quiz",
        "oracle",
        &at("quiz"),
        "--random",
        "--out",
        &at("random.jsonl"),
    ]);
    let report: Value = serde_json::from_str(&stdout(&score("random.jsonl"))).expect("JSON");
    assert!(
        report["all"]["paths"][0]["completed"]["value"]
            .as_f64()
            .is_some_and(|v| v < 0.5)
    );
    std::fs::write(at("wrong.jsonl"), "{\"id\":\"x\",\"choice\":\"A\"}\n").expect("written");
    let done = score("wrong.jsonl");
    assert_eq!(code(&done), 1);
    assert!(
        stderr(&done).contains("wrong.jsonl, line 1: there is no question `x`"),
        "{}",
        stderr(&done)
    );
}
