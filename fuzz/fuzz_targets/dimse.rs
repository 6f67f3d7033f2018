//! Any bytes as what a caller sends on an association: units, messages, command sets, data sets. Read or refused, no panic, no
//! memory beyond the limits.
#![no_main]

use hilum_node::command::Command;
use hilum_node::dataset;
use hilum_node::link::{Limits, Link};
use hilum_node::message::{self, Budget, Data, Received};
use libfuzzer_sys::fuzz_target;
use std::io::Write;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::time::Duration;

const SYNTAXES: [&str; 3] = ["1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"];

fn pair() -> std::io::Result<(TcpStream, TcpStream)> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let caller = TcpStream::connect(listener.local_addr()?)?;
    Ok((listener.accept()?.0, caller))
}

fuzz_target!(|data: &[u8]| {
    let _ = Command::decode(data);
    let _ = dataset::split_file(data);
    for syntax in SYNTAXES {
        let _ = dataset::decode(data, syntax);
    }
    // What does not fit into the socket's buffer would wait for a reader.
    let Some(data) = data.get(..data.len().min(32 * 1024)) else { return };
    let Ok((served, mut caller)) = pair() else { return };
    if caller.write_all(data).is_err() || caller.shutdown(Shutdown::Write).is_err() {
        return;
    }
    let second = Duration::from_secs(1);
    let limits = Limits { max_pdu: 16 * 1024, idle: second, unit: second };
    let Ok(mut link) = Link::new(Box::new(served), limits) else { return };
    let budget = Budget::new(1 << 20);
    while let Ok(received) = message::receive(&mut link, 64 * 1024, &budget) {
        let Received::Message(message) = received else { return };
        if let Data::Whole(held) = &message.data {
            let _ = dataset::decode(held.bytes(), SYNTAXES[0]);
        }
    }
});
