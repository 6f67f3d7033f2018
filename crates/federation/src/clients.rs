//! The server's side: clients to ask.

use crate::call::{Call, LONGEST_SETUP, SECRET, SESSION};
use crate::codec::Raw;
use crate::error::{FederationError, Result};
use crate::process::{Process, Program};
use crate::status;
use bytes::Bytes;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;
use tonic::Request;
use tonic::client::Grpc;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Channel, Endpoint};

/// How often a wish to stop is looked for.
const GLANCE: Duration = Duration::from_millis(50);
/// A machine that does not answer a ping for so long is gone.
const SILENCE: Duration = Duration::from_secs(20);
/// Bytes of the longest answer to [`Call::Begin`].
const LONGEST_WELCOME: usize = 64 << 10;

/// How long is waited for clients.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Until a client is there.
    pub connect: Duration,
    /// Until it has answered a call.
    pub answer: Duration,
}

/// One call to many clients.
#[derive(Debug, Clone, Copy)]
pub struct Round {
    /// Which.
    pub call: Call,
    /// The first so many clients are asked.
    pub clients: usize,
    /// Bytes of the longest answer.
    pub longest: usize,
    /// Clients asked, or answers waiting, at once.
    pub at_once: usize,
}

/// Clients in other processes, in a fixed order.
pub struct Clients {
    peers: Vec<Peer>,
    limits: Limits,
    // Last: connections end before what runs them.
    runtime: Runtime,
}

struct Peer {
    name: String,
    channel: Channel,
    secret: Option<MetadataValue<Ascii>>,
    session: Option<MetadataValue<Ascii>>,
    process: Option<Process>,
}

/// An answer, and the run that it opened.
type Answer = (Bytes, Option<MetadataValue<Ascii>>);

impl Clients {
    /// Starts `count` processes on this machine and reaches them.
    ///
    /// # Errors
    /// [`FederationError::Start`], and as [`Clients::connect`]; those that were started are ended.
    pub fn start(
        program: &Program,
        count: usize,
        limits: Limits,
        stop: &AtomicBool,
    ) -> Result<Self> {
        let runtime = runtime()?;
        let name = |k: usize| format!("client {}", k + 1);
        let mut started = Vec::new();
        // All at once: each takes its time to load.
        for k in 0..count {
            let secret = format!("{:032x}", rand::random::<u128>());
            started.push((Process::start(program, &name(k), &secret)?, secret));
        }
        let mut peers = Vec::new();
        for (k, (mut process, secret)) in started.into_iter().enumerate() {
            let address = process.address(&name(k), limits.connect)?;
            let mut peer = runtime.block_on(reach(k, &address, Some(&secret), limits, stop))?;
            peer.process = Some(process);
            peers.push(peer);
        }
        Ok(Clients {
            peers,
            limits,
            runtime,
        })
    }

    /// Reaches clients at addresses `HOST:PORT`.
    ///
    /// # Errors
    /// [`FederationError::Gone`] where nobody answers, [`FederationError::Stopped`].
    pub fn connect(
        addresses: &[String],
        secret: Option<&str>,
        limits: Limits,
        stop: &AtomicBool,
    ) -> Result<Self> {
        let runtime = runtime()?;
        let peers = addresses
            .iter()
            .enumerate()
            .map(|(k, a)| runtime.block_on(reach(k, a, secret, limits, stop)))
            .collect::<Result<_>>()?;
        Ok(Clients {
            peers,
            limits,
            runtime,
        })
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.peers.len()
    }

    /// A client as errors name it.
    pub fn name(&self, client: usize) -> &str {
        &self.peers[client].name
    }

    /// Opens a run with the first clients, each with a description of its own; `take` sees what each says to it.
    ///
    /// # Errors
    /// As [`Clients::ask`].
    pub fn begin<E: From<FederationError>>(
        &mut self,
        setups: Vec<Vec<u8>>,
        stop: &AtomicBool,
        take: &mut dyn FnMut(usize, Bytes) -> std::result::Result<(), E>,
    ) -> std::result::Result<(), E> {
        let round = Round {
            call: Call::Begin,
            clients: setups.len(),
            longest: LONGEST_WELCOME,
            at_once: setups.len(),
        };
        if let Some(k) = setups.iter().position(|s| s.len() > LONGEST_SETUP) {
            let client = self.peers[k].name.clone();
            let reason = format!("{} bytes to begin with", setups[k].len());
            return Err(FederationError::TooLong { client, reason }.into());
        }
        let setups: Vec<Bytes> = setups.into_iter().map(Bytes::from).collect();
        self.each(round, &|k| setups[k].clone(), stop, take)
    }

    /// Sends one message to the first clients and hands their answers to `take`, in the order of the clients. Of messages and
    /// answers no more than [`Round::at_once`] are held.
    ///
    /// # Errors
    /// Every variant of [`FederationError`] that names a client; [`FederationError::Stopped`]; what `take` fails with.
    pub fn ask<E: From<FederationError>>(
        &mut self,
        round: Round,
        message: Bytes,
        stop: &AtomicBool,
        take: &mut dyn FnMut(usize, Bytes) -> std::result::Result<(), E>,
    ) -> std::result::Result<(), E> {
        self.each(round, &|_| message.clone(), stop, take)
    }

    /// Asks one client alone.
    ///
    /// # Errors
    /// As [`Clients::ask`].
    pub fn ask_one(
        &mut self,
        client: usize,
        call: Call,
        longest: usize,
        stop: &AtomicBool,
    ) -> Result<Bytes> {
        let handle = self.send(client, call, Bytes::new(), longest);
        self.wait(client, handle, stop)
    }

    fn each<E: From<FederationError>>(
        &mut self,
        round: Round,
        message: &dyn Fn(usize) -> Bytes,
        stop: &AtomicBool,
        take: &mut dyn FnMut(usize, Bytes) -> std::result::Result<(), E>,
    ) -> std::result::Result<(), E> {
        let mut open = Open(VecDeque::new());
        let mut next = 0;
        for k in 0..round.clients {
            while next < round.clients && open.0.len() < round.at_once.max(1) {
                open.0
                    .push_back(self.send(next, round.call, message(next), round.longest));
                next += 1;
            }
            let Some(handle) = open.0.pop_front() else {
                break;
            };
            let answer = self.wait(k, handle, stop)?;
            take(k, answer)?;
        }
        Ok(())
    }

    fn send(
        &self,
        client: usize,
        call: Call,
        message: Bytes,
        longest: usize,
    ) -> JoinHandle<Result<Answer>> {
        let peer = &self.peers[client];
        let mut request = Request::new(message);
        for (key, value) in [(SECRET, &peer.secret), (SESSION, &peer.session)] {
            if let Some(value) = value {
                request.metadata_mut().insert(key, value.clone());
            }
        }
        let (channel, name) = (peer.channel.clone(), peer.name.clone());
        let patience = self.limits.answer;
        self.runtime.spawn(async move {
            let path = http::uri::PathAndQuery::from_static(call.path());
            let mut grpc = Grpc::new(channel).max_decoding_message_size(longest);
            let asked = async {
                grpc.ready()
                    .await
                    .map_err(|e| tonic::Status::from_error(Box::new(e)))?;
                grpc.unary(request, path, Raw).await
            };
            match tokio::time::timeout(patience, asked).await {
                Err(_) => Err(FederationError::Late {
                    client: name,
                    seconds: patience.as_secs_f64(),
                }),
                Ok(Err(status)) => Err(status::error(name, &status)),
                Ok(Ok(response)) => {
                    let session = response.metadata().get(SESSION).cloned();
                    Ok((response.into_inner(), session))
                }
            }
        })
    }

    /// Waits for an answer; a client that is gone is asked for its last words.
    fn wait(
        &mut self,
        client: usize,
        mut handle: JoinHandle<Result<Answer>>,
        stop: &AtomicBool,
    ) -> Result<Bytes> {
        let done = self.runtime.block_on(async {
            loop {
                match tokio::time::timeout(GLANCE, &mut handle).await {
                    Ok(done) => return Some(done),
                    Err(_) if stop.load(Ordering::SeqCst) => return None,
                    Err(_) => {}
                }
            }
        });
        let peer = &mut self.peers[client];
        match done {
            None => {
                handle.abort();
                Err(FederationError::Stopped)
            }
            Some(Ok(Ok((bytes, session)))) => {
                if session.is_some() {
                    peer.session = session;
                }
                Ok(bytes)
            }
            Some(Ok(Err(error))) => Err(peer.with_last_words(error)),
            Some(Err(join)) => Err(FederationError::Failed {
                client: peer.name.clone(),
                reason: join.to_string(),
            }),
        }
    }
}

impl Peer {
    fn with_last_words(&mut self, error: FederationError) -> FederationError {
        let FederationError::Gone { client, reason } = error else {
            return error;
        };
        let status = self.process.as_mut().and_then(Process::status);
        let reason = status.map_or(reason, |s| format!("its process ended ({s})"));
        FederationError::Gone { client, reason }
    }
}

/// Calls under way; those that are left when something fails are given up.
struct Open(VecDeque<JoinHandle<Result<Answer>>>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.iter().for_each(JoinHandle::abort);
    }
}

fn runtime() -> Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .map_err(|source| FederationError::Io {
            what: "start the threads of the network".to_owned(),
            source,
        })
}

async fn reach(
    number: usize,
    address: &str,
    secret: Option<&str>,
    limits: Limits,
    stop: &AtomicBool,
) -> Result<Peer> {
    let name = format!("client {} at {address}", number + 1);
    let gone = |reason: String| FederationError::Gone {
        client: name.clone(),
        reason,
    };
    let told =
        |e: &tonic::transport::Error| status::chain(e.to_string(), std::error::Error::source(e));
    let endpoint = Endpoint::from_shared(format!("http://{address}"))
        .map_err(|e| gone(told(&e)))?
        .connect_timeout(limits.connect)
        .tcp_nodelay(true)
        .initial_stream_window_size(1 << 20)
        .initial_connection_window_size(1 << 20)
        .http2_keep_alive_interval(SILENCE / 2)
        .keep_alive_timeout(SILENCE)
        .keep_alive_while_idle(true);
    let mut connecting = std::pin::pin!(endpoint.connect());
    let channel = loop {
        match tokio::time::timeout(GLANCE, &mut connecting).await {
            Ok(channel) => break channel.map_err(|e| gone(told(&e)))?,
            Err(_) if stop.load(Ordering::SeqCst) => return Err(FederationError::Stopped),
            Err(_) => {}
        }
    };
    let secret = secret
        .map(MetadataValue::try_from)
        .transpose()
        .map_err(|_| gone("the secret has characters that no header may have".to_owned()))?;
    Ok(Peer {
        name,
        channel,
        secret,
        session: None,
        process: None,
    })
}
