//! `hilum serve` on what lies below it: PostgreSQL in place of SQLite, and a disk that is full.
#![cfg(all(unix, feature = "node"))]
#![allow(clippy::unwrap_used)] // A failed unwrap is a failed test.

mod common;
#[path = "../../store/tests/common/postgres.rs"]
mod postgres;
#[path = "common/room.rs"]
mod room;

use common::{code, hilum, stderr};
use postgres::Postgres;
use room::{Browser, Server, bytes, text, until};
use serde_json::{Value, json};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

fn note(text: &str) -> Value {
    json!({ "type": "note", "text": text })
}

/// An account in the database of a configuration.
fn add_account(config: &str, name: &str, role: &str) {
    let mut child = hilum()
        .args([
            "serve",
            "--config",
            config,
            "--add-user",
            name,
            "--role",
            role,
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    writeln!(child.stdin.take().unwrap(), "a long password").unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(code(&output), 0, "{}", stderr(&output));
}

fn as_user(server: &Server, name: &str) -> Browser {
    let mut browser = server.browser();
    assert_eq!(browser.log_in(name, "a long password").status, 200);
    browser
}

/// Names of what a question to the work list finds, in its order.
fn found(browser: &Browser, question: &str) -> Vec<String> {
    let page = browser.get(&format!("/api/worklist?{question}")).json();
    let items = page["items"].as_array().unwrap().clone();
    assert_eq!(page["total"], items.len(), "{question}");
    items.iter().map(|i| text(&i["patient_name"])).collect()
}

#[test]
fn on_postgresql_two_persons_correct_sign_and_find_it_again() {
    let Some(database) = Postgres::start() else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("hilum.toml");
    let store = dir.path().join("store");
    let lines = format!(
        "[store]\ndir = {store:?}\ndatabase = \"{}\"\n[read]\nsettle_s = 0\nobjects = []\n",
        database.url()
    );
    std::fs::write(&config, lines).unwrap();
    let config = config.to_str().unwrap();
    add_account(config, "one", "admin");
    add_account(config, "two", "editor");
    let server = Server::start(&["--config", config]);
    let (one, two) = (as_user(&server, "one"), as_user(&server, "two"));
    let files = one.upload(&[
        ("bravo.jpg", &bytes("images/child-pneumonia.jpg")),
        ("alpha.jpg", &bytes("images/child-normal.jpg")),
    ]);
    let files = files.json()["files"].clone();
    let (bravo, alpha) = (text(&files[0]["study_uid"]), text(&files[1]["study_uid"]));
    let study = one.wait(&bravo, "read");
    two.wait(&alpha, "read");
    // The work list: sorted, searched, filtered, paged.
    assert_eq!(found(&one, "sort=patient"), ["alpha", "bravo"]);
    assert_eq!(found(&one, "sort=patient&order=desc"), ["bravo", "alpha"]);
    assert_eq!(found(&two, "q=ALPH"), ["alpha"]);
    assert!(found(&two, "q=100%25_%00").is_empty());
    assert_eq!(found(&two, "state=read&sort=received").len(), 2);
    assert!(found(&two, "state=signed").is_empty());
    let page = one
        .get("/api/worklist?sort=patient&limit=1&offset=1")
        .json();
    assert_eq!(
        (&page["total"], &page["items"][0]["patient_name"]),
        (&json!(2), &json!("bravo"))
    );
    for sort in ["priority", "date", "state", "age", "uncertainty"] {
        assert_eq!(found(&one, &format!("sort={sort}")).len(), 2, "{sort}");
    }
    let item = &study["item"];
    let top = text(&item["top"][0]["code"]);
    assert!(found(&one, &format!("finding={top}")).contains(&"bravo".to_owned()));
    assert!(found(&one, "finding=_").is_empty());
    // Two persons at once: different things merge, the same does not.
    let all = study["edited"]["findings"].as_array().unwrap();
    let assessed = all.iter().find(|f| !f["model_set"].is_null()).unwrap();
    let decide = |set: &str| json!({ "type": "finding", "code": assessed["code"], "decision": "change", "set": set });
    assert_eq!(one.edit(&bravo, 0, decide("absent")).status, 201);
    assert_eq!(two.edit(&bravo, 0, note("left")).status, 201);
    let clash = two.edit(&bravo, 0, decide("present"));
    assert_eq!((clash.status, clash.kind().as_str()), (409, "conflict"));
    // Many at once take different numbers, and none is lost.
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let edit = |n: usize| {
            let (browser, uid) = (if n.is_multiple_of(2) { &one } else { &two }, &bravo);
            scope.spawn(move || browser.edit(uid, 2, note(&n.to_string())).status)
        };
        let all: Vec<_> = (0..6).map(edit).collect();
        all.into_iter().map(|t| t.join().unwrap()).collect()
    });
    assert_eq!(statuses, [201; 6]);
    let revision = one.study(&bravo)["item"]["revision"].as_i64().unwrap();
    assert_eq!(revision, 8);
    // Signing covers a revision.
    assert_eq!(two.sign(&bravo, 7).status, 409);
    assert_eq!(two.sign(&bravo, 8).status, 200);
    assert_eq!(found(&one, "state=signed"), ["bravo"]);
    // The server ends without a word, and the database does the same.
    server.kill();
    assert!(database.down());
    database.up();
    let server = Server::start(&["--config", config]);
    let one = as_user(&server, "one");
    let study = one.study(&bravo);
    assert_eq!(study["item"]["signed"], true);
    assert_eq!(study["signed"]["by"], "two");
    assert_eq!(study["edits"].as_array().unwrap().len(), 8);
    assert_eq!(study["edits"][1]["by"], "two");
    let report = one.get(&format!("/api/studies/{bravo}/export/fhir"));
    assert_eq!(report.header("x-hilum-status"), "signed");
    assert_eq!(one.edit(&alpha, 0, note("after")).status, 201);
    // The database restarts under a running server.
    assert!(database.down());
    assert_eq!(one.get("/api/worklist").status, 500);
    database.up();
    until("the database again", || {
        (one.get("/api/worklist").status == 200).then_some(())
    });
    assert_eq!(one.study(&alpha)["edits"][0]["op"]["text"], "after");
    let log = one.get("/api/audit").json();
    let seen = |action: &str| {
        log.as_array()
            .unwrap()
            .iter()
            .any(|r| r["action"] == action)
    };
    for action in [
        "uploaded",
        "viewed",
        "edited",
        "signed",
        "exported",
        "logged_in",
    ] {
        assert!(seen(action), "{action}");
    }
    assert_eq!(one.delete(&format!("/api/studies/{alpha}")).status, 204);
    assert_eq!(found(&one, ""), ["bravo"]);
    assert_eq!(server.terminate(), Some(0));
}

/// `hilum serve` twice, one after the other, on a disk of a few megabytes that nobody else sees. `None` with a word on stderr where the
/// system does not let us make one.
fn on_a_small_disk(dir: &Path, megabytes: u32) -> Option<Server> {
    let probe = Command::new("unshare")
        .args(["-rm", "sh", "-c", "mount -t tmpfs tmpfs \"$0\""])
        .arg(dir)
        .stderr(Stdio::null())
        .status();
    if !probe.is_ok_and(|s| s.success()) {
        eprintln!("skipped: no user namespace with a disk of its own can be made here");
        return None;
    }
    let script = format!(
        "mount -t tmpfs -o size={megabytes}m tmpfs \"$0\" && for n in 1 2; do sh -c 'echo pid $$; exec \"$@\"' sh \"$@\"; done"
    );
    let mut command = Command::new("unshare");
    command
        .args(["-rm", "sh", "-c", &script])
        .arg(dir)
        .arg(env!("CARGO_BIN_EXE_hilum"))
        .args(["serve", "--port", "0", "--workers", "1", "--store"])
        .arg(dir.join("store"))
        .stdin(Stdio::null());
    Some(Server::spawn(command))
}

#[test]
fn a_full_disk_is_said_and_what_was_kept_stays() {
    let disk = tempfile::tempdir().unwrap();
    let Some(mut server) = on_a_small_disk(disk.path(), 12) else {
        return;
    };
    let me = server.browser();
    let small = bytes("images/child-normal.jpg");
    let files = me.upload(&[("first.jpg", &small)]).json();
    let first = text(&files["files"][0]["study_uid"]);
    me.wait(&first, "read");
    assert_eq!(me.edit(&first, 0, note("before")).status, 201);
    // As the server sees the disk.
    let ballast = format!(
        "/proc/{}/root{}/ballast",
        server.pid(),
        disk.path().display()
    );
    let filled = std::fs::File::create(&ballast).and_then(|mut file| {
        let block = [0u8; 4096];
        loop {
            file.write_all(&block)?;
        }
    });
    let full: std::io::Result<()> = filled;
    assert_eq!(full.unwrap_err().kind(), std::io::ErrorKind::StorageFull);
    // Of two files none fits, each is told so, and nothing of them is left.
    let large = bytes("images/adult-pa.dcm");
    let refused = me.upload(&[
        ("second.dcm", &large),
        ("third.jpg", &bytes("images/child-pneumonia.jpg")),
    ]);
    assert_eq!(
        (refused.status, refused.kind().as_str()),
        (507, "disk_full")
    );
    for file in refused.json()["files"].as_array().unwrap() {
        assert_eq!(
            (&file["status"], &file["kind"]),
            (&json!("refused"), &json!("disk_full"))
        );
    }
    let incoming = format!(
        "/proc/{}/root{}/store/room/incoming",
        server.pid(),
        disk.path().display()
    );
    assert_eq!(std::fs::read_dir(incoming).unwrap().count(), 0);
    // Edits and signatures go on as long as there is room for them, and are then refused with the same words.
    let mut kept = 0;
    let hash = me.reading_hash(&first);
    let refused = (0..4000).find_map(|n| {
        let long = note(&format!("{n} {}", "x".repeat(3900)));
        let answer = me.edit_of(&first, 0, &hash, long);
        kept += i64::from(answer.status == 201);
        (answer.status != 201).then_some(answer)
    });
    let refused = refused.unwrap();
    assert_eq!(
        (refused.status, refused.kind().as_str()),
        (507, "disk_full")
    );
    let signed = me.post(
        &format!("/api/studies/{first}/sign"),
        &json!({ "base_revision": kept + 1, "reading_hash": hash }),
    );
    assert_eq!((signed.status, signed.kind().as_str()), (507, "disk_full"));
    // What was there is still shown, also after a kill.
    let shown = |me: &Browser| {
        let study = me.study(&first);
        assert_eq!(study["edits"].as_array().unwrap().len() as i64, kept + 1);
        assert_eq!(study["edited"]["notes"][0]["text"], "before");
        assert_eq!(study["signed"], Value::Null);
        assert_eq!(me.get("/api/worklist").json()["total"], 1);
    };
    shown(&me);
    std::fs::remove_file(&ballast).unwrap();
    server.signal("-KILL");
    server.ready();
    let me = server.browser();
    shown(&me);
    // With room again everything goes.
    let files = me.upload(&[("second.jpg", &bytes("images/child-pneumonia.jpg"))]);
    assert_eq!(files.json()["files"][0]["status"], "stored");
    assert_eq!(me.edit(&first, kept + 1, note("after")).status, 201);
    server.signal("-TERM");
}
