//! `hilum serve` as a process, and what tests ask it as browsers do.

#![allow(dead_code)] // every test file uses its own part

use crate::common::{code, hilum, sample, stderr};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A server on a free port; ended when the test ends.
pub struct Server {
    child: Child,
    out: BufReader<std::process::ChildStdout>,
    pub base: String,
    /// The program's process where it was started through another one, which then says `pid N`.
    pid: u32,
}

impl Server {
    pub fn start(args: &[&str]) -> Self {
        let mut command = hilum();
        command.args(["serve", "--port", "0"]).args(args);
        Server::spawn(command)
    }

    /// Runs a command that ends up in `hilum serve`.
    pub fn spawn(mut command: Command) -> Self {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let mut server = Server {
            pid: child.id(),
            child,
            out,
            base: String::new(),
        };
        server.ready();
        server
    }

    /// Waits until it listens, for the first time or again.
    pub fn ready(&mut self) {
        loop {
            let mut line = String::new();
            if self.out.read_line(&mut line).unwrap() == 0 {
                let mut text = String::new();
                let mut err = self.child.stderr.take().unwrap();
                err.read_to_string(&mut text).unwrap();
                panic!("hilum serve ended: {text}");
            }
            match line.split_whitespace().collect::<Vec<_>>().as_slice() {
                ["http", url] => self.base = url.trim_end_matches('/').to_owned(),
                ["pid", number] => self.pid = number.parse().unwrap(),
                ["listening"] => break,
                other => panic!("{other:?}"),
            }
        }
    }

    /// The program's process.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    pub fn on(store: &Path, more: &[&str]) -> Self {
        let mut args = vec!["--store", store.to_str().unwrap()];
        args.extend(more);
        Server::start(&args)
    }

    pub fn signal(&self, name: &str) {
        let line = format!("kill {name} {}", self.pid);
        let status = Command::new("sh").args(["-c", &line]).status();
        assert!(status.unwrap().success());
    }

    pub fn terminate(mut self) -> Option<i32> {
        self.signal("-TERM");
        let status = self.child.wait().unwrap();
        let mut rest = String::new();
        self.out.read_to_string(&mut rest).unwrap();
        status.code()
    }

    pub fn kill(mut self) {
        self.signal("-KILL");
        self.child.wait().unwrap();
    }

    /// Somebody's browser.
    pub fn browser(&self) -> Browser {
        let config = ureq::Agent::config_builder()
            .timeout_global(Some(Duration::from_secs(60)))
            .http_status_as_error(false);
        let mut browser = Browser {
            base: self.base.clone(),
            agent: config.build().into(),
            cookie: None,
            csrf: String::new(),
        };
        browser.csrf = text(&browser.get("/api/session").json()["csrf"]);
        browser
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Ended already where the test went well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub struct Browser {
    pub base: String,
    pub agent: ureq::Agent,
    pub cookie: Option<String>,
    pub csrf: String,
}

pub struct Answer {
    pub status: u16,
    pub headers: ureq::http::HeaderMap,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|e| panic!("{e} in {}", String::from_utf8_lossy(&self.body)))
    }

    pub fn kind(&self) -> String {
        text(&self.json()["error"]["kind"])
    }

    pub fn header(&self, name: &str) -> String {
        let value = self.headers.get(name);
        value.map_or(String::new(), |v| v.to_str().unwrap().to_owned())
    }
}

pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

impl Browser {
    pub fn ask(&self, method: &str, path: &str, more: &[(&str, &str)], body: &[u8]) -> Answer {
        let mut request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base));
        if let Some(cookie) = &self.cookie {
            request = request.header("cookie", cookie);
        }
        if method != "GET" {
            request = request.header("x-hilum-csrf", &self.csrf);
        }
        for (name, value) in more {
            request = request.header(*name, *value);
        }
        let mut response = self
            .agent
            .run(request.body(body.to_vec()).unwrap())
            .unwrap();
        Answer {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            body: response
                .body_mut()
                .with_config()
                .limit(64 << 20)
                .read_to_vec()
                .unwrap(),
        }
    }

    pub fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &[], b"")
    }

    pub fn post(&self, path: &str, body: &Value) -> Answer {
        let body = body.to_string();
        let json = [("content-type", "application/json")];
        self.ask("POST", path, &json, body.as_bytes())
    }

    pub fn delete(&self, path: &str) -> Answer {
        self.ask("DELETE", path, &[], b"")
    }

    pub fn upload(&self, files: &[(&str, &[u8])]) -> Answer {
        let mut body = Vec::new();
        for (name, bytes) in files {
            let head = format!(
                "--B\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\
                 Content-Type: application/octet-stream\r\n\r\n"
            );
            body.extend(head.as_bytes());
            body.extend(*bytes);
            body.extend(b"\r\n");
        }
        body.extend(b"--B--\r\n");
        let kind = [("content-type", "multipart/form-data; boundary=B")];
        self.ask("POST", "/api/uploads", &kind, &body)
    }

    pub fn study(&self, uid: &str) -> Value {
        let answer = self.get(&format!("/api/studies/{uid}"));
        assert_eq!(
            answer.status,
            200,
            "{}",
            String::from_utf8_lossy(&answer.body)
        );
        answer.json()
    }

    /// What a page knows of the reading that it shows; null where it shows none.
    pub fn reading_hash(&self, uid: &str) -> Value {
        let answer = self.get(&format!("/api/studies/{uid}"));
        match answer.status {
            200 => answer.json()["reading_hash"].clone(),
            _ => Value::Null,
        }
    }

    /// An edit of the reading that is there now.
    pub fn edit(&self, uid: &str, base: i64, op: Value) -> Answer {
        self.edit_of(uid, base, &self.reading_hash(uid), op)
    }

    /// An edit of the reading with this hash.
    pub fn edit_of(&self, uid: &str, base: i64, hash: &Value, op: Value) -> Answer {
        let body = json!({ "base_revision": base, "reading_hash": hash, "op": op });
        self.post(&format!("/api/studies/{uid}/edits"), &body)
    }

    /// Signs the reading that is there now.
    pub fn sign(&self, uid: &str, base: i64) -> Answer {
        let body = json!({ "base_revision": base, "reading_hash": self.reading_hash(uid) });
        self.post(&format!("/api/studies/{uid}/sign"), &body)
    }

    /// Waits until a study is in a state.
    pub fn wait(&self, uid: &str, state: &str) -> Value {
        until(&format!("{uid} {state}"), || {
            let answer = self.get(&format!("/api/studies/{uid}"));
            let study = (answer.status == 200).then(|| answer.json())?;
            (study["item"]["state"] == state).then_some(study)
        })
    }

    pub fn log_in(&mut self, name: &str, password: &str) -> Answer {
        let body = json!({ "name": name, "password": password });
        let answer = self.post("/api/session", &body);
        if answer.status == 200 {
            let cookie = answer.header("set-cookie");
            self.cookie = cookie.split(';').next().map(str::to_owned);
            self.csrf = text(&answer.json()["csrf"]);
        }
        answer
    }
}

pub fn until<T>(what: &str, mut check: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = check() {
            return found;
        }
        assert!(start.elapsed() < Duration::from_secs(120), "{what}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

pub fn bytes(name: &str) -> Vec<u8> {
    std::fs::read(sample(name)).unwrap()
}

/// Adds an account to a store that no server has open.
pub fn add_user(store: &Path, name: &str, role: &str, password: &str) {
    let mut child = hilum()
        .args(["serve", "--store", store.to_str().unwrap()])
        .args(["--add-user", name, "--role", role])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    writeln!(stdin, "{password}").unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    assert_eq!(code(&output), 0, "{}", stderr(&output));
}
