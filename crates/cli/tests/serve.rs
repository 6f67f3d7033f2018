//! `hilum serve` over HTTP: upload, reading, corrections by two persons, sign-off, accounts, and a kill in the middle.
#![cfg(all(unix, feature = "node"))]
#![allow(clippy::unwrap_used)] // A failed unwrap is a failed test.

mod common;
#[path = "common/room.rs"]
mod room;

use common::{code, hilum, stderr};
use room::{Server, add_user, bytes, text, until};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

fn raw(base: &str, request: &str) -> String {
    let mut stream = TcpStream::connect(base.trim_start_matches("http://")).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    let _ = stream.take(4000).read_to_string(&mut answer);
    answer
}

fn is_explained(study: &Value) -> bool {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let reading = &study["reading"];
    let judged = |e: &Value| e["map"].is_string() && e["trust"].is_object();
    let explained = |f: &Value| list(&f["explanations"]).iter().any(judged);
    let cases = |s: &Value| !list(&s["cases"]).is_empty();
    list(&reading["findings"]).iter().any(explained) && list(&reading["similar"]).iter().any(cases)
}

#[test]
fn the_demo_opens_and_shows_samples() {
    let server = Server::start(&["--demo"]);
    let me = server.browser();
    assert_eq!(me.get("/healthz").body, b"ok");
    let page = me.get("/");
    assert_eq!(page.status, 200);
    assert!(
        page.header("content-security-policy")
            .contains("default-src 'self'")
    );
    assert_eq!(me.get("/study/1.2.3").body, page.body);
    let session = me.get("/api/session").json();
    assert_eq!(session["user"]["name"], "local");
    assert_eq!(session["demo"], true);
    // Dates are those of the browser's language.
    assert!(session["locale"].is_null());
    let openapi = me.get("/api/openapi.json").json();
    assert!(openapi["openapi"].as_str().unwrap().starts_with("3."));
    assert!(openapi["paths"]["/api/worklist"]["get"].is_object());
    // Names of other sites that stand for this machine, and paths that leave the folder.
    let rebound = raw(
        &server.base,
        "GET /api/session HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n",
    );
    assert!(rebound.starts_with("HTTP/1.1 403"), "{rebound}");
    for path in [
        "/assets/../../../../etc/passwd",
        "/assets/%2e%2e/%2e%2e/etc/passwd",
        "/api/studies/..%2f..%2fetc/images/0/pixels",
        "/api/studies/1.2/images/0/overlays/..%2f..%2freading.json",
    ] {
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        let answer = raw(&server.base, &request);
        assert!(answer.starts_with("HTTP/1.1 404"), "{path}: {answer}");
        assert!(!answer.contains("root:"));
    }
    let list = until("something read", || {
        let list = me.get("/api/worklist?state=read&sort=priority").json();
        (list["total"].as_i64() >= Some(1)).then_some(list)
    });
    let item = &list["items"][0];
    assert!(item["priority"].is_number() || item["gate"].is_null());
    let uid = text(&item["study_uid"]);
    let study = me.study(&uid);
    let image = &study["images"][0];
    let pixels = me.get(image["pixels_url"].as_str().unwrap());
    let size = image["rows"].as_u64().unwrap() * image["columns"].as_u64().unwrap() * 2;
    assert_eq!(pixels.body.len() as u64, size);
    assert!(pixels.header("cache-control").contains("immutable"));
    let tag = pixels.header("etag");
    let url = image["pixels_url"].as_str().unwrap();
    let again = me.ask("GET", url, &[("if-none-match", &tag)], b"");
    assert_eq!(again.status, 304);
    let small = me.get(image["thumbnail_url"].as_str().unwrap());
    assert!(small.body.starts_with(b"\x89PNG"));
    for overlay in image["overlays"].as_array().unwrap() {
        let picture = me.get(overlay["url"].as_str().unwrap());
        assert!(picture.body.starts_with(b"\x89PNG"));
    }
    until(
        "a sample with a map that was judged and with known cases",
        || {
            let list = me.get("/api/worklist?state=read&limit=100").json();
            let mut studies = list["items"].as_array()?.iter();
            studies.find_map(|i| is_explained(&me.study(&text(&i["study_uid"]))).then_some(()))
        },
    );
    assert_eq!(me.get("/dicom-web/studies").status, 200);
    assert!(!me.get("/api/methods").json().as_array().unwrap().is_empty());
    let models = me.get("/api/models").json();
    assert!(
        models[0]["card_markdown"]
            .as_str()
            .unwrap()
            .starts_with("# ")
    );
    assert_eq!(server.terminate(), Some(0));
}

#[test]
fn a_reading_is_corrected_by_two_signed_and_exported() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::on(dir.path(), &[]);
    let (one, two) = (server.browser(), server.browser());
    let child = bytes("images/child-pneumonia.jpg");
    let answer = one.upload(&[
        ("child.jpg", &child),
        ("../../etc/child again.jpg", &child),
        ("broken.dcm", &bytes("bad/truncated.dcm")),
        ("<script>alert(1)</script>.png", b"no picture"),
    ]);
    assert_eq!(answer.status, 200);
    let files = answer.json()["files"].clone();
    let states: Vec<&str> = (0..4)
        .map(|i| files[i]["status"].as_str().unwrap())
        .collect();
    assert_eq!(states, ["stored", "known", "refused", "refused"]);
    assert_eq!(files[3]["kind"], "not_an_image");
    assert!(!files[2]["message"].as_str().unwrap().contains('/'));
    let uid = text(&files[0]["study_uid"]);
    assert_eq!(files[1]["study_uid"], uid.as_str());
    let study = one.wait(&uid, "read");
    assert_eq!(study["item"]["patient_name"], "child");
    let before = study["reading"].clone();
    let found = study["edited"]["findings"].as_array().unwrap();
    let assessed = found.iter().find(|f| !f["model_set"].is_null()).unwrap();
    let code_of = text(&assessed["code"]);
    // Two persons at once: different targets merge, the same target does not.
    let decide =
        |set: &str| json!({ "type": "finding", "code": code_of, "decision": "change", "set": set });
    let first = one.edit(&uid, 0, decide("absent"));
    assert_eq!(
        first.status,
        201,
        "{}",
        String::from_utf8_lossy(&first.body)
    );
    let merged = two.edit(
        &uid,
        0,
        json!({ "type": "note", "text": "<b>look</b> at the left" }),
    );
    assert_eq!(merged.status, 201);
    let clash = two.edit(&uid, 0, decide("present"));
    assert_eq!((clash.status, clash.kind().as_str()), (409, "conflict"));
    assert_eq!(clash.json()["revision"], 2);
    assert_eq!(clash.json()["edits"].as_array().unwrap().len(), 2);
    // Undo, and undo of the undo.
    assert_eq!(
        two.edit(&uid, 2, json!({ "type": "undo", "edit": 1 }))
            .status,
        201
    );
    let set_now = |study: &Value| {
        let all = study["edited"]["findings"].as_array().unwrap().clone();
        all.into_iter()
            .find(|f| f["code"] == code_of.as_str())
            .unwrap()["set"]
            .clone()
    };
    let study = one.study(&uid);
    assert_eq!(set_now(&study), assessed["model_set"]);
    assert_eq!(study["edits"][0]["undone_by"], 3);
    assert_eq!(
        one.edit(&uid, 3, json!({ "type": "undo", "edit": 3 }))
            .status,
        201
    );
    assert_eq!(set_now(&one.study(&uid)), "absent");
    // A region, a sentence, and what makes no sense.
    let region = json!({ "type": "region_add", "code": "nodule", "image": 0, "rect": { "x": 10, "y": 20, "width": 30, "height": 40 } });
    assert_eq!(one.edit(&uid, 4, region).status, 201);
    let rewritten = json!({ "type": "sentence", "index": 0, "text": "A child's chest." });
    assert_eq!(one.edit(&uid, 5, rewritten).status, 201);
    for nonsense in [
        json!({ "type": "region_add", "code": "nodule", "image": 0, "rect": { "x": 10, "y": 20, "width": 9999, "height": 40 } }),
        json!({ "type": "finding", "code": "nonsense", "decision": "accept" }),
        json!({ "type": "measurement_add", "image": 0, "name": "d", "line": [[0, 0], [3, 4]], "value": 5, "unit": "mm" }),
        json!({ "type": "sentence", "index": 99, "text": "x" }),
        json!({ "type": "explode" }),
    ] {
        let refused = one.edit(&uid, 6, nonsense.clone());
        assert!([400, 404].contains(&refused.status), "{nonsense}");
    }
    let study = one.study(&uid);
    assert_eq!(study["reading"], before, "the model's words stay");
    assert_eq!(
        study["edited"]["sentences"][0]["model_text"],
        before["report"]["sentences"][0]["text"]
    );
    // Preliminary first, signed after.
    let early = one.get(&format!("/api/studies/{uid}/export/fhir"));
    assert_eq!(early.header("x-hilum-status"), "preliminary");
    assert!(String::from_utf8_lossy(&early.body).contains("\"preliminary\""));
    assert_eq!(one.sign(&uid, 4).kind(), "conflict");
    // Of another reading than the one of now, and of none: neither signed nor changed.
    let hash = study["reading_hash"].clone();
    assert_eq!(hash.as_str().map(str::len), Some(64));
    for other in [json!("00"), Value::Null] {
        let path = format!("/api/studies/{uid}/sign");
        let body = json!({ "base_revision": 6, "reading_hash": other });
        let refused = one.post(&path, &body);
        assert_eq!(
            (refused.status, refused.kind().as_str()),
            (409, "read_again")
        );
        assert!(text(&refused.json()["error"]["message"]).contains("reading"));
        let accept = json!({ "type": "finding", "code": code_of, "decision": "accept" });
        let refused = one.edit_of(&uid, 6, &other, accept);
        assert_eq!(
            (refused.status, refused.kind().as_str()),
            (409, "read_again")
        );
    }
    let signed = one.sign(&uid, 6);
    assert_eq!(
        signed.status,
        200,
        "{}",
        String::from_utf8_lossy(&signed.body)
    );
    assert_eq!(one.study(&uid)["item"]["signed"], true);
    let export = |kind: &str| one.get(&format!("/api/studies/{uid}/export/{kind}"));
    let report = export("sr");
    assert!(
        report
            .header("content-disposition")
            .starts_with("attachment")
    );
    let report = dicom_object::from_reader(&report.body[..]).unwrap();
    let flag = |name: &str| {
        report
            .element_by_name(name)
            .unwrap()
            .to_str()
            .unwrap()
            .trim()
            .to_owned()
    };
    assert_eq!(flag("VerificationFlag"), "VERIFIED");
    assert_eq!(flag("PreliminaryFlag"), "FINAL");
    assert!(export("pdf").body.starts_with(b"%PDF"));
    let bundle = String::from_utf8(export("fhir").body).unwrap();
    assert!(bundle.contains("\"final\"") && bundle.contains("A child's chest."));
    assert_eq!(export("json").json()["status"], "signed");
    assert_eq!(export("exe").status, 404);
    assert!(bundle.contains("absent by local") && bundle.contains("\"issued\""));
    // SR and PDF stand beside the image.
    let found = one.get(&format!("/dicom-web/studies/{uid}/series")).json();
    let modalities: Vec<String> = found
        .as_array()
        .unwrap()
        .iter()
        .map(|s| text(&s["00080060"]["Value"][0]))
        .collect();
    for modality in ["SR", "DOC"] {
        assert!(modalities.iter().any(|m| m == modality), "{modalities:?}");
    }
    // What was drawn and written is data too.
    let lines = String::from_utf8(one.get("/api/labels.jsonl").body).unwrap();
    let kinds: Vec<String> = lines
        .lines()
        .map(|l| text(&serde_json::from_str::<Value>(l).unwrap()["kind"]))
        .collect();
    assert_eq!(kinds, ["finding", "box", "sentence", "note"]);
    // The labels are what the audit reads.
    let labels = one.get("/api/labels?format=csv");
    let table = String::from_utf8(labels.body).unwrap();
    assert!(
        table
            .lines()
            .nth(1)
            .unwrap()
            .contains(&format!(",{code_of},0,")),
        "{table}"
    );
    // An edit after the signature takes its force away, and not the signature.
    assert_eq!(
        one.edit(&uid, 6, json!({ "type": "note", "text": "later" }))
            .status,
        201
    );
    let study = one.study(&uid);
    assert_eq!(study["item"]["signed"], false);
    assert_eq!(study["signed"]["revision"], 6);
    // Deleted while open.
    assert_eq!(one.delete(&format!("/api/studies/{uid}")).status, 204);
    let gone = two.get(&format!("/api/studies/{uid}"));
    assert_eq!((gone.status, gone.kind().as_str()), (404, "deleted"));
    let gone = two.edit(&uid, 7, json!({ "type": "note", "text": "x" }));
    assert_eq!((gone.status, gone.kind().as_str()), (404, "deleted"));
    assert_eq!(two.get("/api/studies/9.9.9").kind(), "not_found");
    let log = one.get(&format!("/api/audit?study={uid}")).json();
    let actions: Vec<String> = log
        .as_array()
        .unwrap()
        .iter()
        .map(|r| text(&r["action"]))
        .collect();
    for action in [
        "uploaded", "viewed", "edited", "signed", "exported", "deleted",
    ] {
        assert!(
            actions.iter().any(|a| a == action),
            "{action} in {actions:?}"
        );
    }
    assert_eq!(server.terminate(), Some(0));
}

#[test]
fn a_thousand_broken_files_are_a_thousand_answers() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::on(dir.path(), &["--workers", "0"]);
    let me = server.browser();
    let good = bytes("images/child-normal.jpg");
    let names: Vec<String> = (0..1000).map(|n| format!("f{n}.dcm")).collect();
    let mut files: Vec<(&str, &[u8])> = names.iter().map(|n| (n.as_str(), &b"junk"[..])).collect();
    files.push(("good.jpg", &good));
    let answer = me.upload(&files).json();
    let files = answer["files"].as_array().unwrap();
    assert_eq!(files.len(), 1001);
    let refused = files.iter().filter(|f| f["status"] == "refused").count();
    assert_eq!(
        (refused, files[1000]["status"].as_str()),
        (1000, Some("stored"))
    );
    // A connection that is lost in the middle leaves nothing behind.
    let half =
        "POST /api/uploads HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5000\r\nX-Hilum-Csrf: ";
    let more = "\r\nContent-Type: multipart/form-data; boundary=B\r\n\r\n--B\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\nabc";
    let mut stream = TcpStream::connect(me.base.trim_start_matches("http://")).unwrap();
    stream
        .write_all(format!("{half}{}{more}", me.csrf).as_bytes())
        .unwrap();
    drop(stream);
    until("no half file", || {
        let mut left = std::fs::read_dir(dir.path().join("room/incoming")).unwrap();
        left.next().is_none().then_some(())
    });
    assert_eq!(server.terminate(), Some(0));
}

#[test]
fn what_was_done_survives_a_kill() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::on(dir.path(), &[]);
    let me = server.browser();
    let files = me
        .upload(&[("a.jpg", &bytes("images/child-normal.jpg"))])
        .json();
    let first = text(&files["files"][0]["study_uid"]);
    me.wait(&first, "read");
    let note = json!({ "type": "note", "text": "before" });
    assert_eq!(me.edit(&first, 0, note).status, 201);
    let files = me
        .upload(&[("b.jpg", &bytes("images/child-pneumonia.jpg"))])
        .json();
    let second = text(&files["files"][0]["study_uid"]);
    server.kill();
    let server = Server::on(dir.path(), &[]);
    let me = server.browser();
    let study = me.study(&first);
    assert_eq!(study["edited"]["notes"][0]["text"], "before");
    assert_eq!(study["item"]["state"], "read");
    me.wait(&second, "read");
    // Both rows are there, and nothing twice.
    assert_eq!(me.get("/api/worklist").json()["total"], 2);
    // Only what is asked for.
    assert_eq!(me.get("/api/worklist?q=b").json()["total"], 1);
    assert_eq!(me.get("/api/worklist?sort=nonsense").status, 400);
    assert_eq!(server.terminate(), Some(0));
}

#[test]
fn accounts_roles_and_forged_requests() {
    let dir = tempfile::tempdir().unwrap();
    let open = hilum()
        .args(["serve", "--port", "0", "--bind", "0.0.0.0", "--store"])
        .arg(dir.path())
        .output()
        .unwrap();
    assert_eq!(code(&open), 2, "{}", stderr(&open));
    assert!(stderr(&open).contains("--add-user"));
    for (name, role) in [("rea", "reader"), ("edi", "editor"), ("adm", "admin")] {
        add_user(dir.path(), name, role, "a long password");
    }
    let server = Server::on(dir.path(), &["--workers", "0"]);
    let nobody = server.browser();
    assert!(nobody.get("/api/session").json()["user"].is_null());
    assert_eq!(nobody.get("/").status, 200);
    for path in [
        "/api/worklist",
        "/api/studies/1.2",
        "/api/events",
        "/api/labels",
        "/api/methods",
        "/api/audit",
        "/dicom-web/studies",
    ] {
        assert_eq!(nobody.get(path).status, 401, "{path}");
    }
    assert_eq!(nobody.upload(&[("a.png", b"x")]).status, 401);
    let as_user = |name: &str| {
        let mut browser = server.browser();
        assert_eq!(browser.log_in(name, "a long password").status, 200);
        browser
    };
    let (reader, editor, admin) = (as_user("rea"), as_user("edi"), as_user("adm"));
    let picture = bytes("images/child-normal.jpg");
    assert_eq!(reader.upload(&[("a.jpg", &picture)]).status, 403);
    let files = editor.upload(&[("a.jpg", &picture)]).json();
    let uid = text(&files["files"][0]["study_uid"]);
    let page = format!("/api/studies/{uid}");
    until("the row", || {
        (reader.get(&page).status == 200).then_some(())
    });
    let note = json!({ "type": "note", "text": "x" });
    assert_eq!(reader.edit(&uid, 0, note.clone()).status, 403);
    assert_eq!(editor.edit(&uid, 0, note).kind(), "not_read");
    assert_eq!(reader.get("/api/audit").status, 403);
    assert_eq!(editor.delete(&page).status, 403);
    assert_eq!(reader.get("/dicom-web/studies").status, 200);
    assert_eq!(
        reader.delete(&format!("/dicom-web/studies/{uid}")).status,
        403
    );
    // Without the token, with another's, and from another site.
    let mut forged = as_user("adm");
    forged.csrf = editor.csrf.clone();
    assert_eq!(forged.delete(&page).kind(), "not_ours");
    forged.csrf = String::new();
    assert_eq!(forged.delete(&page).status, 403);
    let cross = admin.ask("DELETE", &page, &[("sec-fetch-site", "cross-site")], b"");
    assert_eq!(cross.kind(), "not_ours");
    assert_eq!(admin.delete(&page).status, 204);
    // A session that ended.
    let cookie = admin.cookie.clone().unwrap();
    assert!(
        !String::from_utf8_lossy(&std::fs::read(dir.path().join("index.sqlite")).unwrap())
            .contains(cookie.split('=').nth(1).unwrap())
    );
    assert_eq!(admin.delete("/api/session").status, 204);
    assert_eq!(admin.get("/api/worklist").status, 401);
    let log = as_user("adm").get("/api/audit").json();
    assert!(
        log.as_array()
            .unwrap()
            .iter()
            .any(|r| r["action"] == "logged_in")
    );
    // Guessing is slowed down, by name and by address.
    let mut guesser = server.browser();
    let mut states: Vec<u16> = (0..6)
        .map(|_| guesser.log_in("adm", "wrong password").status)
        .collect();
    assert_eq!(states.pop(), Some(429));
    assert!(states.iter().all(|s| *s == 401));
    assert_eq!(server.terminate(), Some(0));
}

#[test]
fn pages_are_told_what_happens() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::on(dir.path(), &["--workers", "0"]);
    let address = server.base.trim_start_matches("http://").to_owned();
    let mut stream = TcpStream::connect(address).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(30)))
        .unwrap();
    write!(
        stream,
        "GET /api/events HTTP/1.1\r\nHost: localhost\r\n\r\n"
    )
    .unwrap();
    let mut lines = BufReader::new(stream).lines();
    assert!(lines.next().unwrap().unwrap().contains("200"));
    let me = server.browser();
    me.upload(&[("a.jpg", &bytes("images/child-normal.jpg"))]);
    let found = lines.map_while(Result::ok).find(|l| l.starts_with("data:"));
    assert!(found.unwrap().contains("\"state\":\"waiting\""));
    // An open stream does not hold up the end.
    let start = Instant::now();
    assert_eq!(server.terminate(), Some(0));
    assert!(start.elapsed() < Duration::from_secs(4));
}
