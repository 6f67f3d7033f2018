//! `hilum listen` as a process, and what tests send to it.

#![allow(dead_code)] // every test file uses its own part

use crate::common::{hilum, sample, stdout};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// `hilum listen` on a free port; ended when the test ends.
pub struct Listener {
    child: Child,
    out: BufReader<std::process::ChildStdout>,
    pub port: u16,
    pub http: Option<String>,
    /// The program's process where it was started through another one, which then says `pid N`.
    pid: u32,
}

impl Listener {
    pub fn start(store: &Path, more: &[&str]) -> Self {
        Listener::named("HILUM", store, more)
    }

    pub fn named(aet: &str, store: &Path, more: &[&str]) -> Self {
        let mut command = hilum();
        let port: &[&str] = if more.contains(&"--port") {
            &[]
        } else {
            &["--port", "0"]
        };
        command
            .args(["listen", "--aet", aet, "--store"])
            .arg(store)
            .args(port)
            .args(more);
        Listener::spawn(command)
    }

    /// Runs a command that ends up in `hilum listen`.
    pub fn spawn(mut command: Command) -> Self {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let pid = child.id();
        let mut listener = Listener {
            child,
            out,
            port: 0,
            http: None,
            pid,
        };
        listener.ready();
        listener
    }

    /// Waits until it listens, for the first time or again.
    pub fn ready(&mut self) {
        loop {
            let mut line = String::new();
            if self.out.read_line(&mut line).unwrap() == 0 {
                let mut text = String::new();
                let mut err = self.child.stderr.take().unwrap();
                err.read_to_string(&mut text).unwrap();
                panic!("hilum listen ended: {text}");
            }
            let words: Vec<&str> = line.split_whitespace().collect();
            match words.as_slice() {
                ["dicom", address, _] => {
                    self.port = address.rsplit(':').next().unwrap().parse().unwrap()
                }
                ["http", url] => self.http = Some((*url).to_owned()),
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

    pub fn remote(&self) -> String {
        format!("HILUM@127.0.0.1:{}", self.port)
    }

    pub fn signal(&self, name: &str) {
        let line = format!("kill {name} {}", self.pid);
        assert!(
            Command::new("sh")
                .args(["-c", &line])
                .status()
                .unwrap()
                .success()
        );
    }

    /// Ends it as a service manager does. Returns exit code, stdout and stderr.
    pub fn terminate(mut self) -> (Option<i32>, String, String) {
        self.signal("-TERM");
        let status = self.child.wait().unwrap();
        let (mut out, mut err) = (String::new(), String::new());
        self.out.read_to_string(&mut out).unwrap();
        self.child
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut err)
            .unwrap();
        (status.code(), out, err)
    }

    pub fn kill(mut self) {
        self.signal("-KILL");
        self.child.wait().unwrap();
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        // Ended already where the test went well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn dicom_samples() -> Vec<PathBuf> {
    ["images/adult-pa.dcm", "images/adult-pa-monochrome1.dcm"]
        .map(sample)
        .to_vec()
}

pub fn send(remote: &str, paths: &[PathBuf]) -> std::process::Output {
    let mut command = hilum();
    command
        .args(["send", remote, "--json", "--retries", "0"])
        .args(paths);
    command.output().unwrap()
}

pub fn lines(output: &std::process::Output) -> Vec<Value> {
    stdout(output)
        .lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect()
}

/// Copies of a sample with UIDs of their own: the digits of one UID are counted up in the file's bytes.
pub fn copies(dir: &Path, count: usize) -> Vec<PathBuf> {
    let bytes = std::fs::read(sample("images/adult-pa.dcm")).unwrap();
    let meta = dicom_object::FileMetaTable::from_reader(&bytes[128..]).unwrap();
    let uid = meta
        .media_storage_sop_instance_uid
        .trim_end_matches('\0')
        .to_owned();
    (0..count)
        .map(|n| {
            let tail = format!("{n:04}");
            let new = format!("{}{tail}", &uid[..uid.len() - 4]);
            assert!(new.bytes().all(|b| b.is_ascii_digit() || b == b'.'));
            let mut copy = bytes.clone();
            let mut at = 0;
            while let Some(found) = copy[at..]
                .windows(uid.len())
                .position(|w| w == uid.as_bytes())
            {
                copy[at + found..at + found + uid.len()].copy_from_slice(new.as_bytes());
                at += found + uid.len();
            }
            let path = dir.join(format!("{n}.dcm"));
            std::fs::write(&path, copy).unwrap();
            path
        })
        .collect()
}

pub fn until<T>(seconds: u64, mut what: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(value) = what() {
            return value;
        }
        assert!(
            start.elapsed() < Duration::from_secs(seconds),
            "not within {seconds} s"
        );
        std::thread::sleep(Duration::from_millis(50));
    }
}

pub fn free_port() -> u16 {
    let tcp = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    tcp.local_addr().unwrap().port()
}
