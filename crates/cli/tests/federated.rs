//! Federated methods with their clients in processes of their own.

#![cfg(feature = "federation")]
#![allow(clippy::unwrap_used)]

mod common;

use common::{code, hilum, run, stderr, stdout};
use hilum_image::Plane;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const HEADER: &str = "path,set,split,patient_id,view,labels,label_source,mask_path,width,height,orig_width,orig_height,sex,age,source,original_filename,licence,sha256,notes";

/// Made-up pictures of the layouts that the method reads, two a patient; none is of anyone.
fn write_data(root: &Path) {
    let lungs = ["normal", "bacterial_pneumonia", "viral_pneumonia"];
    write_set(root, "kermany_paediatric", 150, |i| {
        (lungs[i / 2 % 3], "AP")
    });
    let chests = ["No Finding", "Pneumonia"];
    for (set, n) in [("nih14", 200), ("nih14_64px", 20)] {
        let view = |i| ["PA", "AP"][i / 4 % 2];
        write_set(root, set, n, |i| (chests[i / 2 % 2], view(i)));
    }
}

fn write_set<'a>(root: &Path, set: &str, n: usize, row: impl Fn(usize) -> (&'a str, &'a str)) {
    let folder = root.join("images").join(set);
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::create_dir_all(root.join("manifests")).unwrap();
    let mut text = format!("{HEADER}\n");
    for i in 0..n {
        let (patient, (label, view)) = (i / 2, row(i));
        let split = ["train", "test", "train", "val", "train"][patient % 5];
        let plane = Plane::from_fn(40, 40, |x, y| {
            let noise = (x * 31 + y * 17 + i * 13) % 50;
            (60 + noise + 40 * usize::from(x / 20 == i / 2 % 2)) as u8
        });
        let png = hilum_image::draw::encode_gray_png(&plane).unwrap();
        std::fs::write(folder.join(format!("{i:04}.png")), png).unwrap();
        let age = 20 + (patient * 7) % 60;
        let _ = writeln!(
            text,
            "images/{set}/{i:04}.png,{set},{split},{set}-{patient},{view},{label},made up,,40,40,40,40,F,{age},made up,{i:04}.png,CC0,{i:064x},"
        );
    }
    std::fs::write(root.join(format!("manifests/{set}.csv")), text).unwrap();
}

/// `hilum TASK fedld --tiny` on `root`, with its own folders for what it writes.
fn arguments(task: &str, root: &Path, name: &str, more: &[&str]) -> Vec<String> {
    let at = |what: &str| root.join(what).display().to_string();
    let (data, runs, results) = (at("data"), at(name), at("results"));
    let mut all = [task, "fedld", "--tiny", "--data", &data, "--runs", &runs].to_vec();
    all.extend(["--results", &results]);
    all.extend(more);
    all.into_iter().map(str::to_owned).collect()
}

#[test]
fn clients_in_processes_give_the_same_bytes_as_clients_in_one() {
    let dir = tempfile::tempdir().unwrap();
    write_data(&dir.path().join("data"));
    let reproduce = |name: &str, clients: &str| {
        let output = run(arguments(
            "reproduce",
            dir.path(),
            name,
            &["--clients", clients],
        ));
        assert_eq!(code(&output), 0, "{}", stderr(&output));
        assert!(stderr(&output).contains("the server held at most"));
        let folder = dir.path().join(name).join("fedld-seed1-tiny");
        let outcome = std::fs::read(folder.join("outcome.json")).unwrap();
        let identity = std::fs::read(folder.join("run.json")).unwrap();
        (outcome, identity, stdout(&output))
    };
    let here = reproduce("here", "in-process");
    let result = dir.path().join("results/fedld.json");
    let text = std::fs::read_to_string(&result).unwrap();
    is_a_tiny_result(&text);
    // A tiny run leaves a full result alone.
    let full = text.replace("\"tiny\": true", "\"tiny\": false");
    std::fs::write(&result, &full).unwrap();
    assert!(here == reproduce("elsewhere", "processes"));
    assert_eq!(std::fs::read_to_string(&result).unwrap(), full);
    let beside = dir.path().join("elsewhere/tiny-results/fedld.json");
    is_a_tiny_result(&std::fs::read_to_string(beside).unwrap());
    // What was said of each case is a table that can be audited.
    let run_folder = dir.path().join("elsewhere/fedld-seed1-tiny");
    let audit = run([
        "audit",
        "labels",
        &run_folder.display().to_string(),
        "--json",
    ]);
    assert_eq!(code(&audit), 0, "{}", stderr(&audit));
    assert!(stdout(&audit).contains("viral pneumonia"));
    assert!(left(dir.path()).is_empty(), "clients are left");
}

/// The keys that scripts rely on, and no verdict.
fn is_a_tiny_result(text: &str) {
    let result: serde_json::Value = serde_json::from_str(text).unwrap();
    for key in [
        "card",
        "name",
        "data",
        "claim",
        "here",
        "interval",
        "holds",
        "seeds",
        "split_hash",
        "version",
    ] {
        assert!(result.get(key).is_some(), "{key}");
    }
    assert_eq!(result["name"], "fedld");
    assert_eq!(result["tiny"], true);
    assert!(result["holds"].is_null());
}

/// Processes of clients that read below this folder.
fn left(root: &Path) -> Vec<u32> {
    let needle = root.display().to_string();
    let is_client = |pid: &u32| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).into_owned();
        line.contains("federated-client") && line.contains(&needle)
    };
    let Ok(all) = std::fs::read_dir("/proc") else {
        return Vec::new();
    };
    let pid = |e: std::io::Result<std::fs::DirEntry>| e.ok()?.file_name().to_str()?.parse().ok();
    all.filter_map(pid).filter(is_client).collect()
}

/// A run whose five clients are up.
#[cfg(target_os = "linux")]
struct Running {
    dir: tempfile::TempDir,
    child: Child,
    clients: Vec<u32>,
}

#[cfg(target_os = "linux")]
impl Running {
    fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        write_data(&dir.path().join("data"));
        let child = hilum()
            .args(arguments(
                "train",
                dir.path(),
                "runs",
                &["--clients", "processes"],
            ))
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut running = Running {
            dir,
            child,
            clients: Vec::new(),
        };
        running.wait("five clients", |r| {
            r.clients = left(r.dir.path());
            r.clients.len() == 5
        });
        running
    }

    fn wait(&mut self, what: &str, mut there: impl FnMut(&mut Self) -> bool) {
        let until = Instant::now() + Duration::from_secs(60);
        while !there(self) {
            assert!(Instant::now() < until, "{what}: not in a minute");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn wait_for_a_part(&mut self) {
        self.wait("a finished part", |r| {
            let parts = r.dir.path().join("runs/fedld-seed1-tiny/parts");
            std::fs::read_dir(parts).is_ok_and(|mut all| all.next().is_some())
        });
    }

    fn end(mut self) -> (Option<i32>, String) {
        let status = self.child.wait().unwrap();
        let mut text = String::new();
        let mut err = self.child.stderr.take().unwrap();
        std::io::Read::read_to_string(&mut err, &mut text).unwrap();
        self.wait("the end of all clients", |r| left(r.dir.path()).is_empty());
        (status.code(), text)
    }
}

#[cfg(target_os = "linux")]
fn signal(name: &str, pid: u32) {
    let status = Command::new("sh")
        .args(["-c", &format!("kill {name} {pid}")])
        .status();
    assert!(status.unwrap().success());
}

#[cfg(target_os = "linux")]
#[test]
fn a_client_that_dies_ends_the_run_with_its_name() {
    let mut running = Running::start();
    running.wait_for_a_part();
    signal("-KILL", running.clients[0]);
    let (code, text) = running.end();
    assert_eq!(code, Some(1), "{text}");
    let told = text.lines().last().unwrap_or_default();
    assert!(told.starts_with("hilum: client "), "{text}");
    assert!(
        told.contains("is gone") && told.contains("signal: 9"),
        "{text}"
    );
}

#[cfg(target_os = "linux")]
#[test]
fn a_stop_ends_the_clients_and_so_does_the_servers_death() {
    let mut running = Running::start();
    running.wait_for_a_part();
    signal("-INT", running.child.id());
    let (code, text) = running.end();
    assert_eq!(code, Some(130), "{text}");

    let running = Running::start();
    signal("-KILL", running.child.id());
    let (code, _) = running.end();
    assert_eq!(code, None);
}

/// `hilum federated-client` as a process; ended when the test ends.
struct Client {
    child: Child,
    address: String,
}

impl Client {
    fn start(data: &Path, secret: &Path) -> Self {
        let mut child = hilum()
            .arg("federated-client")
            .arg("--data")
            .arg(data)
            .arg("--secret")
            .arg(secret)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let out = child.stdout.take().unwrap();
        BufReader::new(out).read_line(&mut line).unwrap();
        let address = line.strip_prefix("client ").unwrap().trim().to_owned();
        Client { child, address }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // Ended already where the test went well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn clients_at_addresses_hold_the_same_cases_and_know_the_secret_or_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    write_data(&at("data"));
    write_data(&at("other"));
    let manifest = at("other/manifests/kermany_paediatric.csv");
    let text = std::fs::read_to_string(&manifest).unwrap();
    std::fs::write(&manifest, text.replace("kermany_paediatric-", "other-")).unwrap();
    std::fs::write(at("secret"), "a secret of many words".replace(' ', "-")).unwrap();
    std::fs::write(at("wrong"), "another-secret-of-many-words").unwrap();
    let start = |data: &str| Client::start(&at(data), &at("secret"));
    let clients = [(); 4].map(|()| start("data"));
    let (fifth, stranger) = (start("data"), start("other"));
    let told = |last: &Client, secret: &str, task: &str| {
        let mut all: Vec<&str> = clients.iter().map(|c| c.address.as_str()).collect();
        all.push(&last.address);
        let (all, secret) = (all.join(","), at(secret).display().to_string());
        let more = ["--clients", &all, "--secret", &secret];
        let output = run(arguments(task, dir.path(), "runs", &more));
        (code(&output), stderr(&output))
    };
    let (code, text) = told(&fifth, "wrong", "train");
    assert!(
        code == 1 && text.contains("client 1 at 127.0.0.1:"),
        "{text}"
    );
    assert!(text.contains("refused"), "{text}");
    let (code, text) = told(&stranger, "secret", "train");
    assert!(
        code == 1 && text.contains("client 5 at 127.0.0.1:"),
        "{text}"
    );
    assert!(text.contains("training cases are not"), "{text}");
    let (code, text) = told(&fifth, "secret", "eval");
    assert!(code == 2 && text.contains("train and reproduce"), "{text}");
}

#[test]
fn what_cannot_be_a_client_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().display().to_string();
    let told = |more: &[&str]| {
        let mut all = vec!["federated-client", "--data", &data];
        all.extend(more);
        let output = run(all);
        (code(&output), stderr(&output))
    };
    let (code, text) = told(&[]);
    assert!(code == 1 && text.contains("manifests"), "{text}");
    std::fs::create_dir(dir.path().join("manifests")).unwrap();
    let (code, text) = told(&["--listen", "0.0.0.0:0"]);
    assert!(code == 2 && text.contains("--secret"), "{text}");
    let (code, text) = told(&["--with-parent"]);
    assert!(code == 1 && text.contains("gave it no secret"), "{text}");
}
