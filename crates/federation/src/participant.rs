//! The client's side: answers calls one after the other.

use crate::call::{Call, LONGEST_SETUP, SECRET, SESSION};
use crate::codec::Raw;
use crate::error::{FederationError, Result};
use crate::status;
use bytes::Bytes;
use std::convert::Infallible;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::Mutex;
use tonic::body::Body;
use tonic::server::Grpc;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

/// How often a wish to stop is looked for.
const GLANCE: Duration = Duration::from_millis(50);

/// Why a client does not answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The message does not fit: another version, other data, other shapes.
    Unfit(String),
    /// Its own work failed.
    Failed(String),
}

/// Who answers the calls.
pub trait Participant: Send + 'static {
    /// Answers one call. No other one comes before this one has ended.
    ///
    /// # Errors
    /// A message that does not fit; work that failed.
    fn call(&mut self, call: Call, message: &[u8]) -> std::result::Result<Vec<u8>, Refusal>;

    /// Bytes of the longest message that it takes, [`Call::Begin`] aside ([`LONGEST_SETUP`]).
    fn longest(&self) -> usize;
}

/// Serves a participant until `stop` is set, on the connections that `listener` accepts. With a secret, calls that do
/// not carry it are refused before their message is read.
///
/// # Errors
/// [`FederationError::Io`].
pub fn serve(
    listener: TcpListener,
    secret: Option<String>,
    participant: impl Participant,
    stop: &AtomicBool,
) -> Result<()> {
    let io = |what: &str, source| FederationError::Io {
        what: what.to_owned(),
        source,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .map_err(|e| io("start the threads of the network", e))?;
    listener
        .set_nonblocking(true)
        .map_err(|e| io("listen", e))?;
    let desk = Arc::new(Desk {
        longest: AtomicUsize::new(participant.longest()),
        participant: Arc::new(Mutex::new(participant)),
        session: AtomicU64::new(0),
        secret,
    });
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::from_std(listener).map_err(|e| io("listen", e))?;
        let service = tower::service_fn(move |request| handle(Arc::clone(&desk), request));
        let stopped = async {
            while !stop.load(Ordering::SeqCst) {
                tokio::time::sleep(GLANCE).await;
            }
        };
        Server::builder()
            .initial_stream_window_size(1 << 20)
            .initial_connection_window_size(1 << 20)
            .serve_with_incoming_shutdown(
                service,
                TcpIncoming::from(listener).with_nodelay(Some(true)),
                stopped,
            )
            .await
            .map_err(|e| io("serve", std::io::Error::other(e)))
    })
}

/// What all connections share.
struct Desk<P> {
    participant: Arc<Mutex<P>>,
    longest: AtomicUsize,
    /// The run that has begun; 0 while none has.
    session: AtomicU64,
    secret: Option<String>,
}

async fn handle<P: Participant>(
    desk: Arc<Desk<P>>,
    request: http::Request<Body>,
) -> std::result::Result<http::Response<Body>, Infallible> {
    let Some(call) = Call::of(request.uri().path()) else {
        return Ok(Status::unimplemented("there is no such call").into_http());
    };
    if !desk.knows(request.headers().get(SECRET)) {
        return Ok(Status::unauthenticated("the secret is another one").into_http());
    }
    let limit = match call {
        Call::Begin => LONGEST_SETUP,
        _ => desk.longest.load(Ordering::SeqCst),
    };
    let answer = tower::service_fn(move |request: Request<Bytes>| {
        let desk = Arc::clone(&desk);
        async move { desk.answer(call, request).await }
    });
    let mut grpc = Grpc::new(Raw).max_decoding_message_size(limit);
    Ok(grpc.unary(answer, request).await)
}

impl<P: Participant> Desk<P> {
    fn knows(&self, given: Option<&http::HeaderValue>) -> bool {
        match &self.secret {
            None => true,
            Some(secret) => given.is_some_and(|g| g.as_bytes() == secret.as_bytes()),
        }
    }

    async fn answer(
        &self,
        call: Call,
        request: Request<Bytes>,
    ) -> std::result::Result<Response<Bytes>, Status> {
        let mut participant = Arc::clone(&self.participant).lock_owned().await;
        if call == Call::Begin {
            // Whatever becomes of this one, the run before it is over.
            self.session.store(0, Ordering::SeqCst);
        } else {
            self.check(&request)?;
        }
        let message = request.into_inner();
        let work = move || {
            let answer = participant.call(call, &message);
            (answer, participant.longest())
        };
        // Pings are answered meanwhile.
        let (answer, longest) = tokio::task::spawn_blocking(work)
            .await
            .map_err(|_| Status::aborted("a defect of the program"))?;
        self.longest.store(longest, Ordering::SeqCst);
        let mut response = Response::new(Bytes::from(answer.map_err(status::of)?));
        if call == Call::Begin {
            let session = rand::random::<u64>().max(1);
            self.session.store(session, Ordering::SeqCst);
            response.metadata_mut().insert(SESSION, session.into());
        }
        Ok(response)
    }

    /// Whether a call is of the run that began last: two servers must not train one model by turns.
    fn check(&self, request: &Request<Bytes>) -> std::result::Result<(), Status> {
        let session = self.session.load(Ordering::SeqCst);
        if session == 0 {
            return Err(Status::failed_precondition("no run has begun here"));
        }
        let given = request.metadata().get(SESSION).map(|s| s.as_bytes());
        if given != Some(session.to_string().as_bytes()) {
            return Err(Status::failed_precondition("another run has begun here"));
        }
        Ok(())
    }
}
