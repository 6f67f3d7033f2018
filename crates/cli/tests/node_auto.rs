//! What a node does by itself, as processes: results sent once and only once, priors, and what happens when the disk, the
//! database or a destination fails.
#![cfg(all(unix, feature = "node"))]
#![allow(clippy::unwrap_used)] // A failed unwrap is a failed test.

mod common;
#[path = "common/listener.rs"]
mod listener;
#[path = "../../store/tests/common/postgres.rs"]
mod postgres;

use common::{code, hilum, run, sample, stderr, stdout};
use dicom_core::{DataElement, VR};
use dicom_dictionary_std::tags;
use listener::{Listener, copies, free_port, lines, send, until};
use postgres::Postgres;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Values that stand in no log and in no audit message.
const NAME: &str = "Geheimrat^Otto";
const PATIENT: &str = "GEHEIM-4711";

/// One film of a study of its own: UIDs end in `number`.
fn film(dir: &Path, number: u32, patient: &str, date: &str) -> PathBuf {
    let mut object = dicom_object::open_file(sample("images/adult-pa.dcm")).unwrap();
    let uid = |kind: u32| format!("1.2.826.0.1.3680043.9.7777.{kind}.{number}");
    for (tag, vr, value) in [
        (tags::PATIENT_NAME, VR::PN, NAME.to_owned()),
        (tags::PATIENT_ID, VR::LO, patient.to_owned()),
        (tags::STUDY_DATE, VR::DA, date.to_owned()),
        (tags::STUDY_INSTANCE_UID, VR::UI, uid(1)),
        (tags::SERIES_INSTANCE_UID, VR::UI, uid(2)),
        (tags::SOP_INSTANCE_UID, VR::UI, uid(3)),
    ] {
        object.put(DataElement::new(tag, vr, value));
    }
    object.update_meta(|meta| meta.media_storage_sop_instance_uid = uid(3));
    let path = dir.join(format!("film-{number}.dcm"));
    object.write_to_file(&path).unwrap();
    path
}

fn study(number: u32) -> String {
    format!("1.2.826.0.1.3680043.9.7777.1.{number}")
}

/// A configuration that reads films and sends what it makes of them to `destination`.
fn config(dir: &Path, destination: &str, more: &str) -> String {
    let path = dir.join("hilum.toml");
    let text = format!(
        "[send]\nbackoff_s = 1\nmax_backoff_s = 2\n[read]\nsettle_s = 0\nbackoff_s = 1\nattempts = 8\nlease_s = 10\n{more}\n[[rule]]\nname = \"films\"\n\
         modality = [\"CR\", \"DX\"]\nsend_to = [\"pacs\"]\n[[destination]]\nname = \"pacs\"\n{destination}\n"
    );
    std::fs::write(&path, text).unwrap();
    path.to_string_lossy().into_owned()
}

/// How often `what` stands in a file.
fn count(file: &Path, what: &str) -> usize {
    std::fs::read_to_string(file)
        .unwrap_or_default()
        .matches(what)
        .count()
}

/// UIDs of the studies that were read.
fn readings(store: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(store.join("readings")) else {
        return Vec::new();
    };
    let folders = entries.flatten().map(|e| e.path());
    let done = folders.filter(|f| f.join("reading.json").is_file());
    let mut names: Vec<String> = done
        .map(|f| f.file_name().unwrap().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// Objects of a study at a DICOM node.
fn found(remote: &str, study: &str) -> usize {
    let condition = format!("StudyInstanceUID={study}");
    lines(&run([
        "find", remote, "--level", "image", "--json", &condition,
    ]))
    .len()
}

/// What stands between Hilum and a destination: while `mute` is set, answers to what was sent do not come back. An HTTP
/// connection is cut instead.
struct Between {
    port: u16,
    mute: Arc<AtomicBool>,
}

impl Between {
    fn new(to: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let mute = Arc::new(AtomicBool::new(true));
        let flag = Arc::clone(&mute);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let Ok(server) = TcpStream::connect(("127.0.0.1", to)) else {
                    continue;
                };
                let (a, b) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                std::thread::spawn(move || forward(a, b));
                let flag = Arc::clone(&flag);
                std::thread::spawn(move || back(server, client, &flag));
            }
        });
        Between { port, mute }
    }
}

fn forward(mut from: TcpStream, mut to: TcpStream) {
    let _ = std::io::copy(&mut from, &mut to);
    let _ = to.shutdown(Shutdown::Write);
}

/// Passes answers on, unit by unit where they are DICOM's.
fn back(mut server: TcpStream, mut client: TcpStream, mute: &AtomicBool) {
    let mut head = [0u8; 6];
    while server.read_exact(&mut head).is_ok() {
        let http = &head[..5] == b"HTTP/";
        if mute.load(Ordering::SeqCst) && http {
            let _ = client.shutdown(Shutdown::Both);
            return;
        }
        if http {
            let _ = client.write_all(&head);
            let _ = std::io::copy(&mut server, &mut client);
            return;
        }
        let length = u32::from_be_bytes([head[2], head[3], head[4], head[5]]);
        let mut unit = vec![0; length as usize];
        if server.read_exact(&mut unit).is_err() {
            return;
        }
        // Type 4 carries answers, the others make and end associations.
        if !(mute.load(Ordering::SeqCst) && head[0] == 4) {
            let _ = client.write_all(&head);
            let _ = client.write_all(&unit);
        }
    }
    let _ = client.shutdown(Shutdown::Write);
}

#[test]
fn a_kill_while_sending_sends_nothing_twice() {
    let dir = tempfile::tempdir().unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let pacs = Listener::named("PACS", elsewhere.path(), &[]);
    let between = Between::new(pacs.port);
    let destination = format!(
        "aet = \"PACS\"\nhost = \"127.0.0.1\"\nport = {}",
        between.port
    );
    let config = config(dir.path(), &destination, "");
    let store = dir.path().join("store");
    let here = Listener::start(&store, &["--config", &config]);
    let sent = send(&here.remote(), &[film(dir.path(), 1, PATIENT, "20260101")]);
    assert_eq!(code(&sent), 0, "{}", stderr(&sent));
    // It arrives, and nobody says so.
    until(90, || (found(&pacs.remote(), &study(1)) == 1).then_some(()));
    here.kill();
    between.mute.store(false, Ordering::SeqCst);
    let here = Listener::start(&store, &["--config", &config]);
    let audit = store.join("audit.xml");
    until(60, || {
        (count(&audit, "1 instances sent, 0 failed") == 1).then_some(())
    });
    here.terminate();
    let (_, table, _) = pacs.terminate();
    assert!(!table.contains("known"), "sent twice: {table}");
}

#[test]
fn results_go_to_a_dicomweb_server_once_though_its_first_answer_is_lost_and_it_restarts() {
    let dir = tempfile::tempdir().unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let token = dir.path().join("token");
    std::fs::write(&token, "a token that is long enough\n").unwrap();
    let settings = dir.path().join("pacs.toml");
    let port = free_port();
    std::fs::write(
        &settings,
        format!(
            "[http]\nport = {port}\ntoken_file = {:?}\n",
            token.to_string_lossy()
        ),
    )
    .unwrap();
    let settings = settings.to_string_lossy().into_owned();
    let pacs = Listener::named("PACS", elsewhere.path(), &["--config", &settings]);
    let between = Between::new(port);
    let destination = format!(
        "url = \"http://127.0.0.1:{}/dicom-web\"\ntoken_file = {:?}",
        between.port,
        token.to_string_lossy()
    );
    let config = config(dir.path(), &destination, "");
    let store = dir.path().join("store");
    let here = Listener::start(&store, &["--config", &config]);
    send(&here.remote(), &[film(dir.path(), 1, PATIENT, "20260101")]);
    until(90, || (found(&pacs.remote(), &study(1)) == 1).then_some(()));
    between.mute.store(false, Ordering::SeqCst);
    let audit = store.join("audit.xml");
    until(60, || {
        (count(&audit, "1 instances sent, 0 failed") == 1).then_some(())
    });
    let theirs = elsewhere.path().join("audit.xml");
    assert_eq!(count(&theirs, "csd-code=\"110104\""), 1, "sent twice");
    // It was asked before, which is in its log too.
    assert!(count(&theirs, "QIDO-RS, level IMAGE") >= 1);
    // The next result finds it away, and gets there when it is back.
    let (status, _, err) = pacs.terminate();
    assert_eq!(status, Some(0), "{err}");
    send(&here.remote(), &[film(dir.path(), 2, PATIENT, "20260102")]);
    until(90, || (readings(&store).len() == 2).then_some(()));
    let doctor = run(["doctor", "--config", &config]);
    assert!(
        stdout(&doctor).contains("PROBLEM  remote"),
        "{}",
        stdout(&doctor)
    );
    let pacs = Listener::named("PACS", elsewhere.path(), &["--config", &settings]);
    until(60, || (found(&pacs.remote(), &study(2)) == 1).then_some(()));
    let doctor = run(["doctor", "--config", &config]);
    assert!(
        stdout(&doctor).contains("dicom-web) answers"),
        "{}",
        stdout(&doctor)
    );
    let (status, _, err) = here.terminate();
    assert_eq!(status, Some(0), "{err}");
    pacs.terminate();
}

/// What a PACS has of the patient: two priors, one that is too old, one of a foot, and somebody else's.
fn history(dir: &Path) -> Vec<PathBuf> {
    let mut files = vec![
        film(dir, 11, PATIENT, "20250301"),
        film(dir, 12, PATIENT, "20240301"),
        film(dir, 13, PATIENT, "20100301"),
        film(dir, 14, "GEHEIM-47112", "20250301"),
    ];
    let foot = film(dir, 15, PATIENT, "20250901");
    let mut object = dicom_object::open_file(&foot).unwrap();
    object.put(DataElement::new(tags::MODALITY, VR::CS, "MR"));
    object.write_to_file(&foot).unwrap();
    files.push(foot);
    files
}

fn priors_are_fetched_from(by_web: bool) {
    let dir = tempfile::tempdir().unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let own = free_port();
    let settings = dir.path().join("pacs.toml");
    std::fs::write(
        &settings,
        format!("[[destination]]\nname = \"reader\"\naet = \"HILUM\"\nhost = \"127.0.0.1\"\nport = {own}\n"),
    )
    .unwrap();
    let pacs = Listener::named(
        "PACS",
        elsewhere.path(),
        &["--http", "0", "--config", &settings.to_string_lossy()],
    );
    let sent = send(&pacs.remote(), &history(dir.path()));
    assert_eq!(code(&sent), 0, "{}", stderr(&sent));
    let destination = match by_web {
        true => format!("url = {:?}", pacs.http.clone().unwrap()),
        false => format!("aet = \"PACS\"\nhost = \"127.0.0.1\"\nport = {}", pacs.port),
    };
    let config = config(
        dir.path(),
        &destination,
        "[priors]\nfrom = [\"pacs\"]\nmax = 2\nyears = 5",
    );
    let store = dir.path().join("store");
    let here = Listener::start(&store, &["--config", &config, "--port", &own.to_string()]);
    send(&here.remote(), &[film(dir.path(), 1, PATIENT, "20260101")]);
    let wanted = [study(1), study(11), study(12)];
    until(120, || (readings(&store) == wanted).then_some(()));
    // Only the study's own report went out.
    until(60, || (found(&pacs.remote(), &study(1)) == 1).then_some(()));
    assert_eq!(found(&pacs.remote(), &study(11)), 1);
    assert_eq!(
        found(&here.remote(), &study(15)) + found(&here.remote(), &study(14)),
        0
    );
    let (status, _, err) = here.terminate();
    assert_eq!(status, Some(0), "{err}");
    let audit = std::fs::read_to_string(store.join("audit.xml")).unwrap();
    let times = |what: &str| audit.matches(what).count();
    // A prior's own priors are not looked for.
    assert_eq!(times("search for priors: "), 1, "{audit}");
    assert_eq!(times("prior: 1 instances asked for"), 2, "{audit}");
    assert_eq!(times("prior read, 0 objects"), 2, "{audit}");
    assert!(!audit.contains(PATIENT) && !audit.contains("Geheimrat"));
    assert_eq!(readings(&store), wanted);
    pacs.terminate();
}

#[test]
fn priors_are_found_by_c_find_moved_here_and_read() {
    priors_are_fetched_from(false);
}

#[test]
fn priors_are_found_by_qido_retrieved_and_read() {
    priors_are_fetched_from(true);
}

#[test]
fn a_destination_that_knows_no_priors_does_not_hold_up_the_study() {
    let dir = tempfile::tempdir().unwrap();
    let destination = format!(
        "aet = \"PACS\"\nhost = \"127.0.0.1\"\nport = {}",
        free_port()
    );
    let config = config(dir.path(), &destination, "[priors]\nfrom = [\"pacs\"]");
    let store = dir.path().join("store");
    let here = Listener::start(&store, &["--config", &config, "--log", "info"]);
    send(&here.remote(), &[film(dir.path(), 1, PATIENT, "20260101")]);
    until(90, || (readings(&store).len() == 1).then_some(()));
    let audit = store.join("audit.xml");
    until(30, || {
        (count(&audit, "search for priors failed: connect") >= 1).then_some(())
    });
    let (_, _, err) = here.terminate();
    said_nothing_of_the_patient(&err);
}

/// No name, no number and no UID of a patient's study.
fn said_nothing_of_the_patient(log: &str) {
    for value in ["eheimrat", "Otto", PATIENT, "3680043.9.7777"] {
        assert!(!log.contains(value), "{value} is in the log: {log}");
    }
}

#[test]
fn nothing_of_patients_is_in_the_log_or_the_audit_log() {
    let dir = tempfile::tempdir().unwrap();
    let destination = format!(
        "aet = \"PACS\"\nhost = \"127.0.0.1\"\nport = {}",
        free_port()
    );
    let config = config(dir.path(), &destination, "");
    let store = dir.path().join("store");
    let here = Listener::start(
        &store,
        &["--config", &config, "--http", "0", "--log", "info"],
    );
    let remote = here.remote();
    let first = film(dir.path(), 1, PATIENT, "20260101");
    send(&remote, std::slice::from_ref(&first));
    // Another content under the same UID, the same study with another patient, and half a file.
    send(&remote, &[film(dir.path(), 1, PATIENT, "20260102")]);
    let mut other = dicom_object::open_file(film(dir.path(), 1, "GEHEIM-1", "20260101")).unwrap();
    other.put(DataElement::new(
        tags::SOP_INSTANCE_UID,
        VR::UI,
        "1.2.826.0.1.3680043.9.7777.3.99",
    ));
    other.update_meta(|m| {
        m.media_storage_sop_instance_uid = "1.2.826.0.1.3680043.9.7777.3.99".into()
    });
    other.write_to_file(&first).unwrap();
    send(&remote, std::slice::from_ref(&first));
    let bytes = std::fs::read(film(dir.path(), 2, PATIENT, "20260101")).unwrap();
    std::fs::write(&first, &bytes[..4000]).unwrap();
    send(&remote, std::slice::from_ref(&first));
    run([
        "find",
        &remote,
        &format!("PatientName={NAME}"),
        &format!("PatientID={PATIENT}"),
    ]);
    run(["find", &remote, "StudyDate=Geheimrat"]);
    run([
        "move",
        &remote,
        "--to",
        "NOWHERE",
        &format!("StudyInstanceUID={}", study(1)),
    ]);
    let client = hilum_dicomweb::Client::new(here.http.as_deref().unwrap(), None);
    let _ = client.search("/studies", &[("PatientID", PATIENT)]);
    let _ = client.search("/studies", &[("StudyDate", "Geheimrat")]);
    let _ = client.metadata(&format!("/studies/{}", study(77)));
    let _ = client.store(&[&first]);
    // A file of the store that is gone.
    let object = store.join("instances").join(study(1));
    until(90, || (readings(&store).len() == 1).then_some(()));
    std::fs::remove_dir_all(object).unwrap();
    let _ = client.retrieve(&format!("/studies/{}", study(1)));
    std::thread::sleep(Duration::from_millis(500));
    let (_, table, err) = here.terminate();
    assert!(
        table.contains("refused") && err.contains("refused"),
        "{table}{err}"
    );
    assert!(err.contains("result not sent"), "{err}");
    said_nothing_of_the_patient(&err);
    let audit = std::fs::read_to_string(store.join("audit.xml")).unwrap();
    assert!(
        !audit.contains("eheimrat") && !audit.contains("GEHEIM"),
        "{audit}"
    );
}

/// `hilum listen` twice, one after the other, on a disk of a few megabytes that nobody else sees. `None` with a word on stderr where
/// the system does not let us make one.
fn on_a_small_disk(dir: &Path, megabytes: u32) -> Option<Listener> {
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
        "mount -t tmpfs -o size={megabytes}m tmpfs \"$0\" && head -c 2000000 /dev/zero > \"$0/ballast\" && \
         for n in 1 2; do sh -c 'echo pid $$; exec \"$@\"' sh \"$@\"; done"
    );
    let mut command = Command::new("unshare");
    command
        .args(["-rm", "sh", "-c", &script])
        .arg(dir)
        .arg(env!("CARGO_BIN_EXE_hilum"))
        .args(["listen", "--port", "0", "--store"])
        .arg(dir.join("store"))
        .stdin(Stdio::null());
    Some(Listener::spawn(command))
}

#[test]
fn a_full_disk_refuses_and_loses_nothing_that_was_acknowledged() {
    let (disk, files) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let Some(mut here) = on_a_small_disk(disk.path(), 8) else {
        return;
    };
    let paths = copies(files.path(), 24);
    let sent = send(&here.remote(), &paths);
    assert_eq!(code(&sent), 1);
    let outcome = lines(&sent);
    let acknowledged: Vec<&str> = outcome
        .iter()
        .filter(|l| l["sent"] == true)
        .map(|l| l["sop_instance_uid"].as_str().unwrap())
        .collect();
    let refused: Vec<&str> = outcome.iter().filter_map(|l| l["error"].as_str()).collect();
    assert!(acknowledged.len() >= 4 && refused.len() >= 4, "{outcome:?}");
    // Out of resources (PS3.4, table B.2-1).
    assert!(refused.iter().all(|e| e.contains("0xA700")), "{refused:?}");
    // It still answers, and starts again after a kill with the disk as full as before.
    let all = |here: &Listener| {
        let rows = lines(&run(["find", &here.remote(), "--level", "image", "--json"]));
        let uid = |l: &serde_json::Value| l["00080018"]["Value"][0].as_str().unwrap().to_owned();
        rows.iter().map(uid).collect::<Vec<String>>()
    };
    assert_eq!(all(&here).len(), acknowledged.len());
    here.signal("-KILL");
    here.ready();
    let there = all(&here);
    for uid in &acknowledged {
        assert!(
            there.iter().any(|t| t == uid),
            "{uid} was acknowledged and is not there"
        );
    }
    // With room again, what was refused is taken.
    let ballast = format!("/proc/{}/root{}/ballast", here.pid(), disk.path().display());
    std::fs::remove_file(ballast).unwrap();
    let last = send(&here.remote(), &paths[paths.len() - 1..]);
    assert_eq!(code(&last), 0, "{}", stdout(&last));
    here.signal("-TERM");
}

/// `hilum worker`, ended when the test ends.
struct Worker(Child);

impl Worker {
    fn start(config: &str, name: &str) -> Self {
        let mut command = hilum();
        command.args(["worker", "--config", config, "--name", name]);
        Worker(
            command
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap(),
        )
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // Ended already where the test killed it.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn two_workers_and_a_database_that_restarts_read_a_study_and_send_its_report_once() {
    let Some(database) = Postgres::start() else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let pacs = Listener::named("PACS", elsewhere.path(), &[]);
    let store = dir.path().join("store");
    let destination = format!("aet = \"PACS\"\nhost = \"127.0.0.1\"\nport = {}", pacs.port);
    let more = format!(
        "workers = 0\n[store]\ndatabase = {:?}\ndir = {:?}",
        database.url(),
        store.to_string_lossy()
    );
    let config = config(dir.path(), &destination, &more);
    let here = Listener::start(&store, &["--config", &config]);
    let mut workers = [Worker::start(&config, "one"), Worker::start(&config, "two")];
    let sent = send(&here.remote(), &[film(dir.path(), 1, PATIENT, "20260101")]);
    assert_eq!(code(&sent), 0, "{}", stderr(&sent));
    // Away while the study is read or soon after it came. Who sends meanwhile waits, and is told so in the end or stored.
    assert!(database.down());
    let (remote, second) = (here.remote(), film(dir.path(), 2, PATIENT, "20260102"));
    let files = [second.clone()];
    let meanwhile = std::thread::spawn(move || send(&remote, &files));
    std::thread::sleep(Duration::from_secs(2));
    assert!(!meanwhile.is_finished(), "answered without an index");
    database.up();
    let meanwhile = meanwhile.join().unwrap();
    let said = stdout(&meanwhile);
    assert!(code(&meanwhile) == 0 || said.contains("0xA700"), "{said}");
    let audit = store.join("audit.xml");
    until(90, || {
        (count(&audit, "1 instances sent, 0 failed") >= 1).then_some(())
    });
    // One of two is killed; the other one does the next study, whoever had it.
    workers[0].0.kill().unwrap();
    let again = send(&here.remote(), &[second]);
    assert_eq!(code(&again), 0, "{}", stdout(&again));
    until(90, || {
        (count(&audit, "1 instances sent, 0 failed") >= 2).then_some(())
    });
    assert_eq!(readings(&store), [study(1), study(2)]);
    assert_eq!(count(&audit, ">read, 1 objects to be sent<"), 2);
    let (status, _, err) = here.terminate();
    assert_eq!(status, Some(0), "{err}");
    let (_, table, _) = pacs.terminate();
    assert!(
        table.contains("stored") && !table.contains("known"),
        "sent twice: {table}"
    );
}
