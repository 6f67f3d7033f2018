//! The part of `hilum doctor` that looks at the configuration of a node.

use super::doctor::Findings;
use dicom_dictionary_std::uids;
use hilum_dicomweb::Peers;
use hilum_node::config::{Address, Config, Destination, Entity, WebService};
use hilum_node::scu::{Proposed, Remote};
use hilum_node::web::WebClient;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Checks a configuration file and what it names.
pub(super) fn check(path: &Path, found: &mut Findings) {
    let config = match Config::load(path) {
        Ok(config) => config,
        Err(error) => return found.problem("config", &format!("{}: {error}", path.display())),
    };
    found.ok(
        "config",
        &format!("{}, application entity {}", path.display(), config.node.aet),
    );
    port("dicom", config.node.bind, config.node.port, found);
    if let Some(number) = config.http.port {
        port("http", config.http.bind, number, found);
    }
    open_to_others(&config, found);
    for destination in &config.destination {
        reach(destination, &config.node.aet, found);
    }
    match &config.store.dir {
        Some(dir) => store(dir, found),
        None => found.note(
            "store",
            "store.dir is not set: `hilum listen` needs --store",
        ),
    }
    let listeners = [("dicom", &config.node.tls), ("http", &config.http.tls)];
    for (what, tls) in listeners {
        let Some(tls) = tls else { continue };
        match hilum_node::tls::server(tls) {
            Ok(_) => found.ok("tls", &format!("{what}: certificate and key can be used")),
            Err(error) => found.problem("tls", &format!("{what}: {error}")),
        }
    }
    if let Some(file) = &config.http.token_file {
        match hilum_dicomweb::check_token(file) {
            Ok(()) => found.ok("token", &format!("http: {} can be used", file.display())),
            Err(error) => found.problem("token", &format!("http: {}: {error}", file.display())),
        }
    }
    if let Some(url) = &config.store.database {
        database(url, found);
    }
    if let Some(provider) = &config.oidc {
        match hilum_room::access::check_provider(provider) {
            Ok(()) => found.ok("oidc", &format!("{} answers", provider.issuer)),
            Err(error) => found.problem("oidc", &format!("{}: {error}", provider.issuer)),
        }
    }
    for kind in &config.read.objects {
        if let Err(error) = kind.parse::<hilum_objects::Kind>() {
            found.problem("objects", &format!("read.objects: {error}"));
        }
    }
    if let Some(folder) = &config.read.models
        && let Err(error) = crate::places::store(Some(folder.as_path()))
    {
        found.problem("models", &format!("read.models: {error}"));
    }
    if let Some(file) = &config.audit.file {
        audit(file, found);
    }
    if config.rule.is_empty() {
        found.note("rules", "none: what is received is kept and not read");
    } else {
        found.ok("rules", &format!("{}", config.rule.len()));
    }
}

/// Whether the database answers, and how far its clock is from this machine's. Nothing is made there.
fn database(url: &str, found: &mut Findings) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let asked = match runtime {
        Ok(runtime) => runtime.block_on(hilum_store::Db::probe(url)),
        Err(error) => return found.problem("database", &error.to_string()),
    };
    // The URL may hold a password.
    match asked {
        Ok(time) => {
            let apart = (time - hilum_store::now()).abs() / 1000;
            match apart {
                0..=5 => found.ok("database", "answers, its clock is in step"),
                _ => found.note(
                    "database",
                    &format!(
                        "answers; its clock is {apart} s apart from this machine's: the queue goes by the database's, the audit log by each \
                         machine's own"
                    ),
                ),
            }
        }
        Err(error) => found.problem("database", &format!("store.database: {error}")),
    }
}

/// Whether audit messages can be written where they are wanted; the file is not made.
fn audit(file: &Path, found: &mut Findings) {
    let opened = std::fs::OpenOptions::new().append(true).open(file);
    let checked = match opened {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let folder = file.parent().filter(|f| !f.as_os_str().is_empty());
            tempfile::tempfile_in(folder.unwrap_or(Path::new("."))).map(|_| ())
        }
        other => other.map(|_| ()),
    };
    match checked {
        Ok(()) => found.ok("audit", &format!("{} can be written to", file.display())),
        Err(error) => found.problem("audit", &format!("{}: {error}", file.display())),
    }
}

fn port(what: &str, address: IpAddr, number: u16, found: &mut Findings) {
    let address = SocketAddr::new(address, number);
    match TcpListener::bind(address) {
        Ok(_) => found.ok("port", &format!("{what}: {address} is free")),
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
            found.note(
                "port",
                &format!("{what}: {address} is in use; right when Hilum listens there already"),
            );
        }
        Err(error) => found.problem(
            "port",
            &format!("{what}: {address} cannot be listened on: {error}"),
        ),
    }
}

/// What others can reach should ask who they are.
fn open_to_others(config: &Config, found: &mut Findings) {
    if !config.node.bind.is_loopback() && config.node.allow.is_empty() {
        found.note("access", "the DICOM port is open to other machines and node.allow is empty: anybody may store and search");
    }
    if !config.node.bind.is_loopback() && config.node.tls.is_none() {
        found.note(
            "access",
            "the DICOM port is open to other machines without TLS",
        );
    }
    let web = config.http.port.is_some() && !config.http.bind.is_loopback();
    if let (true, Err(error)) = (web, config.http.check_access()) {
        found.problem("access", &format!("`hilum listen` does not start: {error}"));
    }
    if web && config.http.tls.is_none() {
        found.note(
            "access",
            "the DICOMweb port is open to other machines without TLS (http.tls), unless a proxy before it has it",
        );
    }
}

fn reach(destination: &Destination, aet: &str, found: &mut Findings) {
    let (name, answered) = match &destination.at {
        Address::Dicom(entity) => (
            format!(
                "{} ({} at {}:{})",
                destination.name, entity.aet, entity.host, entity.port
            ),
            echo(entity, aet),
        ),
        Address::Web(service) => (
            format!("{} ({})", destination.name, service.url),
            ask(service),
        ),
    };
    match answered {
        Ok(()) => found.ok("remote", &format!("{name} answers")),
        Err(error) => found.problem("remote", &format!("{name}: {error}")),
    }
}

fn echo(entity: &Entity, aet: &str) -> hilum_node::Result<()> {
    let remote = Remote::new(entity, aet)?.with_timeout(Duration::from_secs(5));
    let mut session = remote.associate(&[Proposed::service(uids::VERIFICATION)])?;
    session.echo()?;
    session.release()
}

/// A search that asks for one study at most: what it says is not looked at, that it is answered is.
fn ask(service: &WebService) -> hilum_node::Result<()> {
    Peers
        .search(service, "/studies", &[("limit", "1")])
        .map(|_| ())
}

fn store(dir: &Path, found: &mut Findings) {
    if let Err(error) = std::fs::create_dir_all(dir) {
        return found.problem("store", &format!("{}: {error}", dir.display()));
    }
    match free_mb(dir) {
        Some(mb) if mb < 1024 => {
            found.problem("disk", &format!("{mb} MB are left under {}", dir.display()))
        }
        Some(mb) => found.ok("disk", &format!("{mb} MB are left under {}", dir.display())),
        None => found.note("disk", "this system does not tell how much is left"),
    }
    clock(dir, found);
}

#[cfg(unix)]
fn free_mb(dir: &Path) -> Option<u64> {
    let stat = rustix::fs::statvfs(dir).ok()?;
    Some(stat.f_bavail.saturating_mul(stat.f_frsize) >> 20)
}

#[cfg(not(unix))]
fn free_mb(_dir: &Path) -> Option<u64> {
    None
}

/// Whether the clock can be right, and goes like the one of the store's disk, which may be another machine's.
fn clock(dir: &Path, found: &mut Findings) {
    // 2026-01-01; this program is not older.
    const EARLIEST: u64 = 1_767_225_600;
    let now = SystemTime::now();
    let seconds = now.duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
    if seconds < EARLIEST {
        return found.problem("clock", "the clock stands before this program was made");
    }
    let probe = dir.join(format!(".hilum-doctor-{}.part", std::process::id()));
    let written =
        std::fs::write(&probe, b"probe").and_then(|()| std::fs::metadata(&probe)?.modified());
    let _ = std::fs::remove_file(&probe);
    match written {
        Ok(time) => {
            let apart = time
                .duration_since(now)
                .or_else(|_| now.duration_since(time));
            let apart = apart.map_or(0, |d| d.as_secs());
            if apart > 5 {
                found.problem(
                    "clock",
                    &format!("{apart} s apart from the clock of {}", dir.display()),
                );
            } else {
                found.ok("clock", "in step with the store's disk");
            }
        }
        Err(error) => found.problem(
            "store",
            &format!("{} cannot be written to: {error}", dir.display()),
        ),
    }
}
