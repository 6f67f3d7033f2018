//! A PostgreSQL server on loopback, from its Debian package, with a folder of its own. The tests of the binary include this file too.

use std::path::PathBuf;
use std::process::{Command, Stdio};

pub struct Postgres {
    bin: PathBuf,
    dir: tempfile::TempDir,
    port: u16,
}

impl Postgres {
    /// `None` and a word on stderr where it is not installed.
    pub fn start() -> Option<Self> {
        let versions = std::fs::read_dir("/usr/lib/postgresql").ok();
        let bin = versions.and_then(|v| {
            let bins = v.flatten().map(|v| v.path().join("bin"));
            bins.into_iter().find(|b| b.join("initdb").is_file())
        });
        let Some(bin) = bin else {
            eprintln!("skipped: PostgreSQL is not installed");
            return None;
        };
        let dir = tempfile::tempdir().unwrap();
        if is_root() && !succeeds(Command::new("chown").arg("postgres").arg(dir.path())) {
            eprintln!("skipped: no user postgres to run the server as");
            return None;
        }
        let server = Postgres {
            bin,
            dir,
            port: port(),
        };
        let mut command = server.command("initdb");
        command.args(["-A", "trust", "-U", "hilum", "-N", "-D"]);
        assert!(succeeds(command.arg(server.data())));
        server.up();
        Some(server)
    }

    pub fn url(&self) -> String {
        format!("postgres://hilum@127.0.0.1:{}/postgres", self.port)
    }

    fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// The server refuses to run as root.
    fn command(&self, program: &str) -> Command {
        let path = self.bin.join(program);
        if !is_root() {
            return Command::new(path);
        }
        let mut command = Command::new("runuser");
        command.args(["-u", "postgres", "--"]).arg(path);
        command
    }

    pub fn up(&self) {
        let socket = self.dir.path().to_string_lossy().into_owned();
        let options = format!("-p {} -k {socket} -h 127.0.0.1 -c fsync=off", self.port);
        let mut command = self.command("pg_ctl");
        command
            .args(["-w", "-t", "60", "-o", &options, "-l"])
            .arg(self.dir.path().join("log"));
        assert!(succeeds(command.arg("-D").arg(self.data()).arg("start")));
    }

    /// Ends it as a crash does.
    pub fn down(&self) -> bool {
        let mut command = self.command("pg_ctl");
        command.args(["-w", "-m", "immediate", "-D"]);
        succeeds(command.arg(self.data()).arg("stop"))
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.down();
    }
}

/// A port that is free now.
fn port() -> u16 {
    let tcp = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    tcp.local_addr().unwrap().port()
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output();
    id.is_ok_and(|o| o.stdout.trim_ascii() == b"0")
}

fn succeeds(command: &mut Command) -> bool {
    let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|s| s.success())
}
