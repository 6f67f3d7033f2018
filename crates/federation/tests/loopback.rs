//! Clients on loopback, well and badly behaved.

#![allow(clippy::unwrap_used)]

use hilum_federation::{
    Bytes, Call, Clients, FederationError, LONGEST_SETUP, Limits, Participant, Refusal, Round,
    serve,
};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

static NEVER: AtomicBool = AtomicBool::new(false);

/// Answers with what it got and its number; what it got says how it behaves.
struct Echo(u8);

impl Participant for Echo {
    fn call(&mut self, call: Call, message: &[u8]) -> Result<Vec<u8>, Refusal> {
        match (call, message) {
            (Call::Alone, _) => Ok(Vec::new()),
            (Call::Model, _) => Ok(vec![self.0; 5000]),
            (_, b"refuse") => Err(Refusal::Unfit("no such version".to_owned())),
            (_, b"fail") if self.0 == 1 => Err(Refusal::Failed("the loss diverged".to_owned())),
            (_, b"panic") if self.0 == 1 => panic!("a defect"),
            (_, b"sleep") => {
                std::thread::sleep(Duration::from_millis(600));
                Ok(vec![self.0])
            }
            _ => Ok([message, &[self.0]].concat()),
        }
    }

    fn longest(&self) -> usize {
        100
    }
}

/// A client on a free port, for as long as the tests run.
fn client(number: u8, secret: Option<&str>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let secret = secret.map(str::to_owned);
    std::thread::spawn(move || serve(listener, secret, Echo(number), &NEVER));
    address
}

fn limits(answer: Duration) -> Limits {
    Limits {
        connect: Duration::from_secs(20),
        answer,
    }
}

fn connect(addresses: &[String]) -> Clients {
    Clients::connect(addresses, None, limits(Duration::from_secs(20)), &NEVER).unwrap()
}

fn begun(count: u8) -> Clients {
    let addresses: Vec<String> = (0..count).map(|k| client(k, None)).collect();
    let mut clients = connect(&addresses);
    begin(&mut clients, b"hello").unwrap();
    clients
}

fn begin(clients: &mut Clients, setup: &[u8]) -> Result<(), FederationError> {
    let setups = vec![setup.to_vec(); clients.count()];
    clients.begin(setups, &NEVER, &mut |_, _| Ok(()))
}

fn round(clients: &Clients, longest: usize) -> Round {
    Round {
        call: Call::Answer,
        clients: clients.count(),
        longest,
        at_once: 2,
    }
}

fn ask(clients: &mut Clients, message: &'static [u8]) -> Result<Vec<Bytes>, FederationError> {
    let mut answers = Vec::new();
    let round = round(clients, 200);
    clients.ask(
        round,
        Bytes::from_static(message),
        &NEVER,
        &mut |_, a| -> Result<(), FederationError> {
            answers.push(a);
            Ok(())
        },
    )?;
    Ok(answers)
}

#[test]
fn answers_come_in_the_order_of_the_clients() {
    let mut clients = begun(5);
    for at_once in [1, 2, 5, 9] {
        let mut seen = Vec::new();
        let round = Round {
            at_once,
            ..round(&clients, 200)
        };
        clients
            .ask(round, Bytes::from_static(b"x"), &NEVER, &mut |k,
                                                                a|
             -> Result<
                (),
                FederationError,
            > {
                seen.push((k, a.to_vec()));
                Ok(())
            })
            .unwrap();
        let expected: Vec<_> = (0..5u8).map(|k| (usize::from(k), vec![b'x', k])).collect();
        assert_eq!(seen, expected, "{at_once} at once");
    }
    let model = clients.ask_one(3, Call::Model, 5000, &NEVER).unwrap();
    assert_eq!(model, vec![3; 5000]);
    assert!(
        clients
            .ask_one(3, Call::Alone, 0, &NEVER)
            .unwrap()
            .is_empty()
    );
}

#[test]
fn a_client_that_refuses_or_fails_is_named_with_its_reason() {
    let mut clients = begun(3);
    let refused = begin(&mut clients, b"refuse").unwrap_err();
    assert!(
        matches!(refused, FederationError::Refused { .. }),
        "{refused}"
    );
    assert!(refused.to_string().contains("no such version"), "{refused}");
    begin(&mut clients, b"hello").unwrap();
    for message in [b"fail".as_slice(), b"panic"] {
        let failed = ask(&mut clients, message).unwrap_err();
        assert!(matches!(failed, FederationError::Failed { .. }), "{failed}");
        assert!(failed.to_string().starts_with("client 2 at 127.0.0.1:"));
        assert_eq!(
            ask(&mut clients, b"x").unwrap().len(),
            3,
            "the others go on"
        );
    }
}

#[test]
fn messages_have_a_longest_length_both_ways() {
    let mut clients = begun(2);
    let long = ask(&mut clients, &[7; 101]).unwrap_err();
    assert!(matches!(long, FederationError::TooLong { .. }), "{long}");
    let long = clients.ask_one(1, Call::Model, 4999, &NEVER).unwrap_err();
    assert!(matches!(long, FederationError::TooLong { .. }), "{long}");
    assert!(long.to_string().contains("client 2") && long.to_string().contains("5000"));
    let long = begin(&mut clients, &vec![0; LONGEST_SETUP + 1]).unwrap_err();
    assert!(matches!(long, FederationError::TooLong { .. }), "{long}");
}

#[test]
fn a_late_client_and_a_stop_end_the_waiting() {
    let addresses = [client(0, None), client(1, None)];
    let short = limits(Duration::from_millis(150));
    let mut clients = Clients::connect(&addresses, None, short, &NEVER).unwrap();
    begin(&mut clients, b"hello").unwrap();
    let late = ask(&mut clients, b"sleep").unwrap_err();
    assert!(matches!(late, FederationError::Late { .. }), "{late}");

    let mut clients = begun(2);
    let stop = AtomicBool::new(false);
    let began = Instant::now();
    let stopped = std::thread::scope(|s| {
        s.spawn(|| {
            std::thread::sleep(Duration::from_millis(100));
            stop.store(true, Ordering::SeqCst);
        });
        let round = round(&clients, 200);
        clients.ask(
            round,
            Bytes::from_static(b"sleep"),
            &stop,
            &mut |_, _| -> Result<(), FederationError> { Ok(()) },
        )
    });
    assert!(matches!(stopped, Err(FederationError::Stopped)));
    assert!(began.elapsed() < Duration::from_millis(500));
}

#[test]
fn two_servers_do_not_share_a_client() {
    let address = [client(0, None)];
    let (mut first, mut second) = (connect(&address), connect(&address));
    let none = ask(&mut first, b"x").unwrap_err();
    assert!(none.to_string().contains("no run has begun"), "{none}");
    begin(&mut first, b"hello").unwrap();
    ask(&mut first, b"x").unwrap();
    begin(&mut second, b"hello").unwrap();
    let other = ask(&mut first, b"x").unwrap_err();
    assert!(matches!(other, FederationError::Refused { .. }), "{other}");
    assert!(other.to_string().contains("another run"), "{other}");
    ask(&mut second, b"x").unwrap();
}

#[test]
fn without_the_secret_nothing_is_answered() {
    let address = [client(0, Some("open sesame"))];
    let patience = limits(Duration::from_secs(20));
    for wrong in [None, Some("open barley")] {
        let mut clients = Clients::connect(&address, wrong, patience, &NEVER).unwrap();
        let refused = begin(&mut clients, b"hello").unwrap_err();
        assert!(
            matches!(refused, FederationError::Refused { .. }),
            "{refused}"
        );
    }
    let right = Some("open sesame");
    let mut clients = Clients::connect(&address, right, patience, &NEVER).unwrap();
    begin(&mut clients, b"hello").unwrap();
}

/// Somebody who takes a connection and does this with it.
fn stranger(with: impl Fn(std::net::TcpStream) + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || listener.incoming().flatten().for_each(with));
    address
}

#[test]
fn nobody_and_a_stranger_at_an_address_are_errors_that_name_it() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = free.local_addr().unwrap().to_string();
    drop(free);
    let patience = limits(Duration::from_secs(5));
    let reach = |address: &str| -> FederationError {
        let address = [address.to_owned()];
        match Clients::connect(&address, None, patience, &NEVER) {
            Ok(mut clients) => begin(&mut clients, b"hello").unwrap_err(),
            Err(error) => error,
        }
    };
    let silent = stranger(drop);
    let web = stranger(|mut stream| {
        let _ = stream.read(&mut [0; 64]);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    });
    for address in [nobody, silent, web, "no address".to_owned()] {
        let error = reach(&address);
        assert!(
            matches!(
                error,
                FederationError::Gone { .. } | FederationError::Nonsense { .. }
            ),
            "{error:?}"
        );
        assert!(error.to_string().contains(&address), "{error}");
    }
}
