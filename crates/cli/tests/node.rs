//! `hilum listen` and the verbs that talk to it, as processes: what is acknowledged survives a kill.
#![cfg(all(unix, feature = "node"))]
#![allow(clippy::unwrap_used)] // A failed unwrap is a failed test.

mod common;
#[path = "common/listener.rs"]
mod listener;

use common::{code, hilum, run, sample, stderr, stdout};
use listener::{Listener, copies, dicom_samples, free_port, lines, send, until};
use serde_json::Value;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

#[test]
fn echo_send_find_and_move() {
    let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let there = Listener::named("THERE", second.path(), &[]);
    let destination = format!("THERE@127.0.0.1:{}", there.port);
    let here = Listener::start(first.path(), &["--destination", &destination]);
    let remote = here.remote();
    let echo = run(["echo", &remote]);
    assert_eq!(code(&echo), 0, "{}", stderr(&echo));
    let sent = send(&remote, &dicom_samples());
    assert_eq!(code(&sent), 0, "{}", stderr(&sent));
    assert!(lines(&sent).iter().all(|l| l["sent"] == true));
    let found = run(["find", &remote, "--json"]);
    let rows = lines(&found);
    assert!(!rows.is_empty(), "{}", stderr(&found));
    let uid = rows[0]["0020000D"]["Value"][0].as_str().unwrap().to_owned();
    let moved = run([
        "move",
        &remote,
        "--to",
        "THERE",
        "--json",
        &format!("StudyInstanceUID={uid}"),
    ]);
    assert_eq!(code(&moved), 0, "{}", stderr(&moved));
    assert!(lines(&moved)[0]["completed"].as_u64().unwrap() >= 1);
    let elsewhere = run(["find", &there.remote(), "--json"]);
    assert_eq!(lines(&elsewhere).len(), 1);
    let (status, out, err) = here.terminate();
    assert_eq!(status, Some(0), "{err}");
    assert!(out.contains("stored"), "{out}");
}

#[test]
fn what_cannot_be_sent_is_said_and_the_exit_code_is_one() {
    let store = tempfile::tempdir().unwrap();
    let here = Listener::start(store.path(), &[]);
    let bad = sample("bad/truncated.dcm");
    let sent = send(&here.remote(), &[bad, dicom_samples()[0].clone()]);
    assert_eq!(code(&sent), 1);
    let by = |sent: bool| move |l: &&Value| l["sent"] == sent;
    let lines = lines(&sent);
    assert_eq!(lines.iter().filter(by(true)).count(), 1, "{lines:?}");
    assert_eq!(lines.iter().filter(by(false)).count(), 1, "{lines:?}");
    let nobody = run(["echo", "X@127.0.0.1:1"]);
    assert_eq!(code(&nobody), 1);
    assert_eq!(code(&run(["echo", "no address"])), 2);
    let gone = here.remote();
    here.terminate();
    assert_eq!(code(&send(&gone, &dicom_samples())), 1);
}

#[test]
fn what_lies_beside_objects_in_a_folder_is_passed_over() {
    let (store, files) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let here = Listener::start(store.path(), &[]);
    let film = files.path().join("film.dcm");
    std::fs::copy(&dicom_samples()[0], &film).unwrap();
    let text = files.path().join("notes.txt");
    std::fs::write(&text, "Nothing of DICOM.").unwrap();
    let folder = files.path().to_str().unwrap();
    let sent = run(["send", &here.remote(), folder]);
    assert_eq!(code(&sent), 0, "{}", stderr(&sent));
    assert!(stdout(&sent).contains("1 of 1 files sent"), "{sent:?}");
    assert!(stdout(&sent).contains("1 in folders passed over"));
    // A damaged object is none of these, and what is named is meant.
    std::fs::copy(sample("bad/truncated.dcm"), files.path().join("cut.dcm")).unwrap();
    let sent = run(["send", &here.remote(), folder]);
    assert_eq!(code(&sent), 1, "{}", stdout(&sent));
    assert_eq!(code(&send(&here.remote(), &[film, text.clone()])), 1);
    std::fs::remove_file(files.path().join("cut.dcm")).unwrap();
    std::fs::remove_file(files.path().join("film.dcm")).unwrap();
    let nothing = run(["send", &here.remote(), folder]);
    assert_eq!(code(&nothing), 1);
    assert!(stderr(&nothing).contains("no DICOM objects"), "{nothing:?}");
    here.terminate();
}

#[test]
fn a_kill_while_receiving_loses_nothing_that_was_acknowledged() {
    let (store, files) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let paths = copies(files.path(), 60);
    let mut acknowledged = Vec::new();
    for (round, part) in paths.chunks(20).enumerate() {
        let here = Listener::start(store.path(), &[]);
        let remote = here.remote();
        let going = AtomicBool::new(true);
        std::thread::scope(|scope| {
            let senders: Vec<_> = part
                .chunks(5)
                .map(|set| scope.spawn(|| lines(&send(&remote, set))))
                .collect();
            // The more rounds the later; somewhere in between some are under way.
            std::thread::sleep(Duration::from_millis(150 + 200 * round as u64));
            here.kill();
            going.store(false, Ordering::SeqCst);
            for sender in senders {
                let sent = sender
                    .join()
                    .unwrap()
                    .into_iter()
                    .filter(|l| l["sent"] == true);
                acknowledged
                    .extend(sent.map(|l| l["sop_instance_uid"].as_str().unwrap().to_owned()));
            }
        });
    }
    let here = Listener::start(store.path(), &[]);
    let found = run(["find", &here.remote(), "--level", "image", "--json"]);
    let there: Vec<String> = lines(&found)
        .iter()
        .map(|l| l["00080018"]["Value"][0].as_str().unwrap().to_owned())
        .collect();
    for uid in &acknowledged {
        assert!(
            there.contains(uid),
            "{uid} was acknowledged and is not there"
        );
    }
    assert_eq!(
        std::fs::read_dir(store.path().join("incoming"))
            .unwrap()
            .count(),
        0
    );
    // All of them once more: those that were stored are known, the others are new, and each is there once.
    let again = send(&here.remote(), &paths);
    assert_eq!(code(&again), 0, "{}", stderr(&again));
    let found = run(["find", &here.remote(), "--level", "image", "--json"]);
    assert_eq!(lines(&found).len(), 60);
    here.terminate();
}

#[test]
fn a_received_study_is_read_and_its_report_sent_once_through_kills_and_a_destination_that_comes_late()
 {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("hilum.toml");
    let port = free_port();
    std::fs::write(
        &config,
        format!(
            "[read]\nsettle_s = 0\nbackoff_s = 1\n[send]\nbackoff_s = 1\nmax_backoff_s = 2\n[[rule]]\nname = \"chest\"\nmodality = [\"CR\", \"DX\"]\n\
             send_to = [\"pacs\"]\n[[destination]]\nname = \"pacs\"\naet = \"PACS\"\nhost = \"127.0.0.1\"\nport = {port}\n"
        ),
    )
    .unwrap();
    let store = dir.path().join("store");
    let options = ["--config", &config.to_string_lossy()];
    let here = Listener::start(&store, &options);
    let sent = send(&here.remote(), &dicom_samples()[..1]);
    assert_eq!(code(&sent), 0, "{}", stderr(&sent));
    // Killed before or while it reads; the next one reads the study.
    here.kill();
    let here = Listener::start(&store, &options);
    let readings = store.join("readings");
    let reading = until(90, || {
        let folder = std::fs::read_dir(&readings).ok()?.flatten().next()?.path();
        std::fs::read_to_string(folder.join("reading.json")).ok()
    });
    let reading: Value = serde_json::from_str(&reading).unwrap();
    assert_eq!(reading["gate"]["analysable"], true);
    // The destination is not there yet: killed while it tries to send.
    std::thread::sleep(Duration::from_millis(500));
    here.kill();
    let elsewhere = tempfile::tempdir().unwrap();
    let pacs = Listener::named("PACS", elsewhere.path(), &["--port", &port.to_string()]);
    let here = Listener::start(&store, &options);
    let arrived = until(90, || {
        let found = run(["find", &pacs.remote(), "--level", "image", "--json"]);
        Some(lines(&found)).filter(|l| !l.is_empty())
    });
    assert_eq!(arrived.len(), 1);
    let class = arrived[0]["00080016"]["Value"][0]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(
        class.starts_with("1.2.840.10008.5.1.4.1.1.88."),
        "{class} is no structured report"
    );
    let (status, _, err) = here.terminate();
    assert_eq!(status, Some(0), "{err}");
    let (_, table, _) = pacs.terminate();
    assert!(!table.contains("known"), "sent twice: {table}");
    let audit = std::fs::read_to_string(store.join("audit.xml")).unwrap();
    assert!(audit.contains("110103") && audit.contains("110102") && audit.contains("110121"));
}

#[test]
fn dicomweb_answers_what_was_stored() {
    let store = tempfile::tempdir().unwrap();
    let here = Listener::start(store.path(), &["--http", "0"]);
    send(&here.remote(), &dicom_samples()[..1]);
    let base = here.http.clone().unwrap();
    let client = hilum_dicomweb::Client::new(&base, None);
    let studies = client.search("/studies", &[]).unwrap();
    assert_eq!(studies.len(), 1);
    let uid = studies[0]["0020000D"]["Value"][0].as_str().unwrap();
    let objects = client.retrieve(&format!("/studies/{uid}")).unwrap();
    assert_eq!(objects.len(), 1);
    here.terminate();
}

#[test]
fn a_dicomweb_server_is_searched_and_its_objects_retrieved_by_url() {
    let (dir, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let here = Listener::start(dir.path(), &["--http", "0"]);
    let url = here.http.clone().unwrap();
    let sent = send(&url, &dicom_samples()[..1]);
    assert_eq!(code(&sent), 0, "{}", stderr(&sent));
    let found = run(["find", &url, "Modality", "--json"]);
    assert_eq!(code(&found), 0, "{}", stderr(&found));
    let studies = lines(&found);
    assert_eq!(studies.len(), 1);
    let study = studies[0]["0020000D"]["Value"][0].as_str().unwrap();
    let condition = format!("StudyInstanceUID={study}");
    let images = lines(&run([
        "find", &url, "--level", "image", "--json", &condition,
    ]));
    let instance = images[0]["00080018"]["Value"][0].as_str().unwrap();
    assert_eq!(
        lines(&run(["find", &url, "PatientID=NOBODY", "--json"])).len(),
        0
    );
    let nonsense = run(["find", &url, "Nonsense=1"]);
    assert_eq!(code(&nonsense), 2, "{}", stderr(&nonsense));

    let folder = out.path().to_string_lossy().into_owned();
    for _ in 0..2 {
        let got = run(["get", &url, "--out", &folder, "--json", &condition]);
        assert_eq!(code(&got), 0, "{}", stderr(&got));
        let outcome = lines(&got);
        assert_eq!(outcome.len(), 1);
        assert_eq!(outcome[0]["sop_instance_uid"], instance);
        let path = outcome[0]["path"].as_str().unwrap();
        assert!(path.ends_with(&format!("{instance}.dcm")), "{path}");
        let came = dicom_object::open_file(path).unwrap();
        let original = dicom_object::open_file(&dicom_samples()[0]).unwrap();
        let pixels = |object: &dicom_object::DefaultDicomObject| {
            let element = object.element(dicom_dictionary_std::tags::PIXEL_DATA);
            element.unwrap().to_bytes().unwrap().into_owned()
        };
        assert_eq!(pixels(&came), pixels(&original));
    }
    let none = run(["get", &url, "--out", &folder, "StudyInstanceUID=1.2.3"]);
    assert_eq!(code(&none), 1, "{}", stderr(&none));
    let entity = run(["get", &here.remote(), "--out", &folder, &condition]);
    assert!(code(&entity) == 2 && stderr(&entity).contains("hilum move"));
    here.terminate();
}

#[test]
fn dicomweb_is_not_opened_to_everybody() {
    let dir = tempfile::tempdir().unwrap();
    let store = dir.path().to_string_lossy().into_owned();
    let refused = run([
        "listen", "--port", "0", "--http", "0", "--bind", "0.0.0.0", "--store", &store,
    ]);
    assert_eq!(code(&refused), 2, "{}", stdout(&refused));
    assert!(
        stderr(&refused).contains("http.token_file"),
        "{}",
        stderr(&refused)
    );
}

/// A store with a result that was put aside and a job that waits.
async fn put_aside(dir: &std::path::Path) -> Result<(), hilum_store::StoreError> {
    use hilum_store::{NewJob, NewOutgoing, Options, Sent, Store};
    let (store, _) = Store::open(dir, Options::default(), |_, _| None).await?;
    let job = |wait_ms| NewJob {
        kind: "read".to_owned(),
        subject: "1.2.3".to_owned(),
        wait_ms,
    };
    store.request(&job(0)).await?;
    let lease = store.lease("read", "test", 60_000).await?.unwrap();
    let result = NewOutgoing {
        destination: "pacs".to_owned(),
        sop_uid: "2.25.1".to_owned(),
        sop_class: "1.2.840.10008.5.1.4.1.1.88.33".to_owned(),
        path: "outbox/2.25.1.dcm".to_owned(),
    };
    store.complete(&lease, &[result]).await?;
    let out = store.lease_outgoing("test", 60_000).await?.unwrap();
    store
        .finish_outgoing(&out, &Sent::Dead, "status 0xA900")
        .await?;
    store.request(&job(3_600_000)).await?;
    store.close().await
}

#[test]
fn what_was_put_aside_is_listed_and_tried_again_while_the_node_runs() {
    let dir = tempfile::tempdir().unwrap();
    let store = dir.path().to_string_lossy().into_owned();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(put_aside(dir.path())).unwrap();
    let here = Listener::start(dir.path(), &[]);
    let list = |more: &[&str]| {
        let mut args = vec!["queue", "list", "--store", &store, "--json"];
        args.extend(more);
        let listed = run(args);
        assert_eq!(code(&listed), 0, "{}", stderr(&listed));
        lines(&listed)
    };
    let all = list(&[]);
    assert_eq!(all.len(), 2, "{all:?}");
    let dead = list(&["--state", "dead"]);
    assert_eq!(dead.len(), 1);
    for (key, value) in [
        ("what", "send"),
        ("destination", "pacs"),
        ("sop_uid", "2.25.1"),
        ("study", "1.2.3"),
        ("error", "status 0xA900"),
    ] {
        assert_eq!(dead[0][key], value);
    }
    assert_eq!(list(&["--kind", "read"]).len(), 1);
    let text = stdout(&run(["queue", "list", "--store", &store]));
    assert!(
        text.contains("send to pacs") && text.contains("2 found"),
        "{text}"
    );
    let retry = run([
        "queue",
        "retry",
        "--store",
        &store,
        "--destination",
        "other",
    ]);
    assert_eq!(stdout(&retry), "0 are tried again\n");
    let retry = run(["queue", "retry", "--store", &store, "--json"]);
    assert_eq!(lines(&retry)[0]["retried"], 1);
    assert_eq!(list(&["--state", "dead"]).len(), 0);
    assert_eq!(
        list(&["--destination", "pacs", "--state", "waiting"]).len(),
        1
    );
    let nowhere = run(["queue", "list", "--store", "/nowhere/at/all"]);
    assert_eq!(code(&nowhere), 2);
    here.terminate();
}

#[test]
fn deidentified_files_are_read_as_before_and_say_nothing_of_the_patient() {
    let dir = tempfile::tempdir().unwrap();
    let secret = dir.path().join("secret");
    std::fs::write(&secret, "some bytes that nobody knows").unwrap();
    let out = dir.path().join("out");
    let report = dir.path().join("report.jsonl");
    let result = hilum()
        .arg("deidentify")
        .arg(&dicom_samples()[0])
        .args([
            "--out".as_ref(),
            out.as_os_str(),
            "--secret".as_ref(),
            secret.as_os_str(),
        ])
        .args(["--report".as_ref(), report.as_os_str()])
        .output()
        .unwrap();
    assert_eq!(code(&result), 0, "{}", stderr(&result));
    let file = std::fs::read_dir(&out)
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    let read = run(["inspect".as_ref(), file.as_os_str()]);
    assert_eq!(code(&read), 0, "{}", stderr(&read));
    let line: Value =
        serde_json::from_str(std::fs::read_to_string(&report).unwrap().trim()).unwrap();
    assert!(line["changes"].as_array().unwrap().len() > 3, "{line}");
}

#[test]
fn what_was_deidentified_is_no_input_and_one_uid_is_one_object() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("in");
    std::fs::create_dir(&folder).unwrap();
    let secret = dir.path().join("secret");
    std::fs::write(&secret, "some bytes that nobody knows").unwrap();
    let sample = std::fs::read(&dicom_samples()[0]).unwrap();
    for name in ["a.dcm", "again.dcm"] {
        std::fs::write(folder.join(name), &sample).unwrap();
    }
    let deidentify = || {
        let mut command = hilum();
        command.current_dir(&folder);
        command.args([
            "deidentify",
            ".",
            "--out",
            "clean",
            "--no-progress",
            "--secret",
        ]);
        command.arg(&secret).output().unwrap()
    };
    // The same object twice is one, and the second run does not take the first one's file.
    for _ in 0..2 {
        let out = deidentify();
        assert_eq!(code(&out), 0, "{}", stderr(&out));
        assert!(stdout(&out).contains("2 files"), "{}", stdout(&out));
        assert_eq!(std::fs::read_dir(folder.join("clean")).unwrap().count(), 1);
    }
    // Another object under the same UID is not written over the first.
    let mut other = sample.clone();
    let last = other.len() - 1;
    other[last] ^= 1;
    std::fs::write(folder.join("b.dcm"), other).unwrap();
    let out = deidentify();
    assert_eq!(code(&out), 1);
    assert!(
        stderr(&out).contains("another object with the UID"),
        "{}",
        stderr(&out)
    );
}

#[test]
fn doctor_checks_a_nodes_configuration() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("hilum.toml");
    let store = dir.path().join("store");
    std::fs::write(
        &config,
        format!(
            "[node]\nport = 0\n[store]\ndir = {:?}\n[[destination]]\nname = \"pacs\"\naet = \"PACS\"\nhost = \"127.0.0.1\"\nport = 1\n",
            store.to_string_lossy()
        ),
    )
    .unwrap();
    let doctor = run(["doctor".as_ref(), "--config".as_ref(), config.as_os_str()]);
    let text = stdout(&doctor);
    assert_eq!(code(&doctor), 1, "{text}");
    assert!(
        text.contains("PROBLEM  remote") && text.contains("pacs"),
        "{text}"
    );
    assert!(text.contains("disk") && text.contains("clock"), "{text}");
    let missing = dir.path().join("nowhere");
    std::fs::write(
        &config,
        format!(
            "[node]\nport = 0\n[store]\ndatabase = \"postgres://hilum:sesame@127.0.0.1:1/x\"\n[read]\nobjects = [\"srr\"]\n\
             [http]\nport = 0\nbind = \"0.0.0.0\"\n[audit]\nfile = {:?}\n[oidc]\nissuer = \"http://127.0.0.1:1\"\n\
             client_id = \"x\"\nurl = \"http://localhost:8080\"\n[oidc.roles]\nadmin = [\"a\"]\n",
            missing.join("audit.xml").to_string_lossy()
        ),
    )
    .unwrap();
    let text = stdout(&run([
        "doctor".as_ref(),
        "--config".as_ref(),
        config.as_os_str(),
    ]));
    for what in ["database", "objects", "audit", "oidc", "access"] {
        assert!(text.contains(&format!("PROBLEM  {what}")), "{what}: {text}");
    }
    assert!(!text.contains("sesame"), "{text}");
    assert!(!missing.exists());
    let token = dir.path().join("token");
    std::fs::write(&token, "short\n").unwrap();
    let line = format!("[http]\ntoken_file = {:?}\n", token.to_string_lossy());
    std::fs::write(&config, line).unwrap();
    let text = stdout(&run([
        "doctor".as_ref(),
        "--config".as_ref(),
        config.as_os_str(),
    ]));
    assert!(text.contains("PROBLEM  token"), "{text}");
    std::fs::write(&config, "[node]\nwrong = 1\n").unwrap();
    let doctor = run(["doctor".as_ref(), "--config".as_ref(), config.as_os_str()]);
    assert!(stdout(&doctor).contains("wrong"), "{}", stdout(&doctor));
}
