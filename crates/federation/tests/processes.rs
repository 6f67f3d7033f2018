//! Clients' processes that do not become what they should. Programs that do are tried with `hilum` itself.

#![cfg(unix)]
#![allow(clippy::unwrap_used)]

use hilum_federation::{Clients, FederationError, Limits, Program};
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

fn start(shell: &str) -> FederationError {
    let program = Program {
        path: PathBuf::from("/bin/sh"),
        arguments: vec!["-c".into(), shell.into()],
        environment: vec![("WORD".to_owned(), "hello".to_owned())],
    };
    let limits = Limits {
        connect: Duration::from_millis(400),
        answer: Duration::from_secs(5),
    };
    match Clients::start(&program, 2, limits, &AtomicBool::new(false)) {
        Ok(_) => panic!("{shell} is no client"),
        Err(error) => error,
    }
}

#[test]
fn a_program_that_ends_or_says_nothing_is_an_error() {
    let ended = start("exit 3");
    assert!(matches!(ended, FederationError::Start { .. }), "{ended}");
    assert!(ended.to_string().contains("client 1"), "{ended}");
    assert!(ended.to_string().contains("3"), "{ended}");
    let began = Instant::now();
    let silent = start("echo $WORD; exec sleep 100");
    assert!(matches!(silent, FederationError::Start { .. }), "{silent}");
    assert!(silent.to_string().contains("0.4 s"), "{silent}");
    assert!(began.elapsed() < Duration::from_secs(20), "and it is ended");
}

#[test]
fn it_gets_its_secret_before_it_is_asked() {
    // An address where nobody is, made of the secret's length.
    let gone = start("read secret; echo \"client 127.0.0.1:${#secret}\"; exec sleep 100");
    assert!(matches!(gone, FederationError::Gone { .. }), "{gone}");
    assert!(gone.to_string().contains("127.0.0.1:32"), "{gone}");
}
