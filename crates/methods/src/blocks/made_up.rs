//! Made-up image sets of the published layout, for tests; no picture is of anyone.

use crate::claims::ResultFile;
use crate::context::Context;
use crate::error::MethodError;
use crate::method::Method;
use hilum_image::Plane;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

const HEADER: &str = "path,set,split,patient_id,view,labels,label_source,mask_path,width,height,orig_width,orig_height,sex,age,source,original_filename,licence,sha256,notes";

/// A tiny run that reads and writes under `root`.
pub fn context<'a>(root: &Path, stop: &'a AtomicBool) -> Context<'a> {
    Context {
        data: root.to_owned(),
        runs: root.join("runs"),
        results: root.join("results"),
        models: root.join("models"),
        device: "cpu".to_owned(),
        seed: 1,
        tiny: true,
        federation: Default::default(),
        stop,
    }
}

/// One made-up picture.
pub struct Row {
    /// Labels as in the manifest.
    pub labels: String,
    /// View.
    pub view: &'static str,
    /// Sex.
    pub sex: &'static str,
    /// Notes.
    pub notes: String,
    /// Brightness of the quarter of the picture that shows the class, and which quarter.
    pub mark: (u8, usize),
}

/// Writes `n` pictures of a set, two a patient, three of five patients for training.
pub fn write_set(root: &Path, set: &str, n: usize, row: impl Fn(usize, &mut ChaCha8Rng) -> Row) {
    let folder = root.join("images").join(set);
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::create_dir_all(root.join("manifests")).unwrap();
    let mut text = format!("{HEADER}\n");
    for i in 0..n {
        let mut rng = ChaCha8Rng::seed_from_u64(i as u64);
        let patient = i / 2;
        let split = ["train", "test", "train", "val", "train"][patient % 5];
        let r = row(i, &mut rng);
        let plane = Plane::from_fn(64, 64, |x, y| {
            let quarter = usize::from(x >= 32) + 2 * usize::from(y >= 32);
            let level = rng.random_range(40..90_u8);
            if quarter == r.mark.1 {
                level.saturating_add(r.mark.0)
            } else {
                level
            }
        });
        let name = format!("{i:04}.png");
        let png = hilum_image::draw::encode_gray_png(&plane).unwrap();
        std::fs::write(folder.join(&name), png).unwrap();
        let age = 20 + (i / 2 * 7) % 60;
        let _ = writeln!(
            text,
            "images/{set}/{name},{set},{split},{set}-{patient},{},{},made up,,64,64,64,64,{},{age},made up,{name},CC0,{:064x},{}",
            r.view, r.labels, r.sex, i, r.notes
        );
    }
    std::fs::write(root.join(format!("manifests/{set}.csv")), text).unwrap();
}

/// Children: normal, bacterial and viral pneumonia in turn.
pub fn paediatric(root: &Path) {
    let labels = ["normal", "bacterial_pneumonia", "viral_pneumonia"];
    write_set(root, "kermany_paediatric", 300, |i, _| Row {
        labels: labels[i / 2 % 3].to_owned(),
        view: "AP",
        sex: "",
        notes: String::new(),
        mark: (60, i / 2 % 3),
    });
}

/// Adults of both sexes and views, with and without findings.
pub fn nih(root: &Path) {
    let findings = [
        "No Finding",
        "Pneumonia",
        "No Finding",
        "Effusion|Infiltration",
    ];
    for (set, n) in [("nih14", 240), ("nih14_64px", 200)] {
        write_set(root, set, n, |i, rng| Row {
            labels: findings[i / 2 % 4].to_owned(),
            view: if rng.random_bool(0.5) { "PA" } else { "AP" },
            sex: if i / 4 % 2 == 0 { "F" } else { "M" },
            notes: String::new(),
            mark: (50, i / 2 % 4),
        });
    }
}

/// Concept questions with their answers, and a few reports.
pub fn concept_files(root: &Path) {
    use std::io::Write as _;
    let folder = root.join("text/cxr_concepts");
    std::fs::create_dir_all(&folder).unwrap();
    let questions = [
        "Is there pleural effusion?",
        "Are there signs of pneumonia?",
        "Is there an infiltrate?",
        "Is the film tilted?",
    ];
    std::fs::write(folder.join("xray_PubMed.txt"), questions.join("\n")).unwrap();
    let answers = |a: &str| {
        let pairs: Vec<String> = questions
            .iter()
            .map(|q| format!("\"{q}\": \"{a}\""))
            .collect();
        format!("{{{}}}", pairs.join(", "))
    };
    let text = format!(
        "{{\"No Finding\": {}, \"Has Finding\": {}}}",
        answers("no"),
        answers("yes")
    );
    let file = std::fs::File::create(folder.join("xray_class2concept2answer.json.gz")).unwrap();
    let mut gz = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
    gz.write_all(text.as_bytes()).unwrap();
    gz.finish().unwrap();
    let reports = [
        (
            "Opacity in the right lung may represent pneumonia.",
            "Pneumonia.",
        ),
        (
            "The lungs are clear. No pleural effusion.",
            "No acute abnormality.",
        ),
    ];
    let lines: Vec<String> = reports
        .iter()
        .map(|(f, i)| {
            format!("{{\"split\": \"train\", \"findings\": \"{f}\", \"impression\": \"{i}\"}}")
        })
        .collect();
    std::fs::write(root.join("text/iu_reports.jsonl"), lines.join("\n")).unwrap();
}

/// Mammograms of three densities.
pub fn mammograms(root: &Path) {
    let densities = [
        "fatty|normal",
        "fatty-glandular|benign",
        "dense-glandular|normal",
    ];
    write_set(root, "mammo_mias", 120, |i, _| Row {
        labels: densities[i / 2 % 3].to_owned(),
        view: "MLO",
        sex: "",
        notes: String::new(),
        mark: (30 + 40 * (i / 2 % 3) as u8, 0),
    });
}

/// CT slices, malignant or normal.
pub fn ct_slices(root: &Path) {
    write_set(root, "ct_iqoth", 80, |i, _| Row {
        labels: ["normal", "malignant"][i / 2 % 2].to_owned(),
        view: "axial",
        sex: "",
        notes: String::new(),
        mark: (60, i / 2 % 2),
    });
}

/// Puts another label in place of one in the manifest of a set.
pub fn relabel(root: &Path, set: &str, from: &str, to: &str) {
    let path = root.join(format!("manifests/{set}.csv"));
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace(from, to)).unwrap();
}

/// What must be true of every study, on data that `write` makes: without data, without training and when it is stopped
/// it says so; its tiny run leaves `files` and is the same from its parts and from nothing. Gives the result.
pub fn check_study(method: &dyn Method, write: impl Fn(&Path), files: &[&str]) -> ResultFile {
    let dir = tempfile::tempdir().unwrap();
    let stop = AtomicBool::new(true);
    let ctx = context(dir.path(), &stop);
    let train = method.train(&ctx);
    assert!(
        matches!(train, Err(MethodError::NoData { .. })),
        "{train:?}"
    );
    assert!(matches!(method.eval(&ctx), Err(MethodError::NoModel(_))));
    write(dir.path());
    let stopped = method.train(&ctx);
    assert!(matches!(stopped, Err(MethodError::Stopped)), "{stopped:?}");
    stop.store(false, Ordering::SeqCst);
    let result = method.reproduce(&ctx).unwrap();
    assert!(result.tiny && !result.split_hash.is_empty());
    let folder = ctx.run_folder(method.info().name);
    for file in files {
        assert!(folder.join(file).is_file(), "{file}");
    }
    assert_eq!(result, method.reproduce(&ctx).unwrap(), "from its parts");
    std::fs::remove_dir_all(&folder).unwrap();
    assert_eq!(result, method.reproduce(&ctx).unwrap(), "from nothing");
    result
}

/// A class that is missing is an error that says so: each of `gone` is a set, a label and what is put in its place.
pub fn check_missing_class(
    method: &dyn Method,
    write: impl Fn(&Path),
    gone: &[(&str, &str, &str)],
) {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path());
    for (set, from, to) in gone {
        relabel(dir.path(), set, from, to);
    }
    let stop = AtomicBool::new(false);
    let error = method.train(&context(dir.path(), &stop)).unwrap_err();
    assert!(matches!(error, MethodError::TooFew { .. }), "{error}");
}
