//! Connections of an HTTP server: plain or TLS, with limits on how many there are, how long one may be silent and how slowly a request
//! may come. [`crate::serve`] answers on them, whatever is served.

use hilum_node::config::HttpConfig;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::{Instant, Sleep};
use tokio_rustls::TlsAcceptor;
use tracing::{debug, warn};

/// Limits on connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WebLimits {
    /// Most connections at a time; more wait until one ends.
    pub connections: usize,
    /// How long a TLS handshake may take.
    pub handshake: Duration,
    /// How long nothing may come and go on a connection.
    pub idle: Duration,
    /// How long the head of a request may take, and how long a connection is kept for the next one.
    pub head: Duration,
    /// Bytes of a request that must come each second, from [`WebLimits::head`] after its first byte on: a caller that sends a byte now and
    /// then would hold a connection for ever.
    pub pace: u64,
}

impl Default for WebLimits {
    fn default() -> Self {
        WebLimits {
            connections: 1024,
            handshake: Duration::from_secs(10),
            idle: Duration::from_secs(300),
            head: Duration::from_secs(30),
            pace: 1024,
        }
    }
}

/// A bound port that hands out connections whose handshake is done. A caller that is slow with it holds up nobody else.
pub struct WebListener {
    address: SocketAddr,
    secure: bool,
    limits: WebLimits,
    ready: mpsc::Receiver<(WebStream, SocketAddr)>,
    task: tokio::task::JoinHandle<()>,
}

impl WebListener {
    /// Binds `address`; with `http.tls` of the configuration every connection is TLS, and with its `ca` callers must show a
    /// certificate from it.
    ///
    /// # Errors
    /// An address that cannot be bound; certificates or keys that cannot be used.
    pub async fn bind(
        address: SocketAddr,
        config: &HttpConfig,
        limits: WebLimits,
    ) -> io::Result<Self> {
        let tls = config.tls.as_ref().map(hilum_node::tls::server).transpose();
        let tls = tls.map_err(io::Error::other)?.map(|server| {
            let mut server = (*server).clone();
            server.alpn_protocols = vec![b"http/1.1".to_vec()];
            TlsAcceptor::from(Arc::new(server))
        });
        let tcp = TcpListener::bind(address).await?;
        let address = tcp.local_addr()?;
        let secure = tls.is_some();
        let (out, ready) = mpsc::channel(16);
        let task = tokio::spawn(accept(tcp, tls, limits, out));
        Ok(WebListener {
            address,
            secure,
            limits,
            ready,
            task,
        })
    }

    /// The address that is listened on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whether connections are TLS.
    pub fn is_secure(&self) -> bool {
        self.secure
    }
}

impl Drop for WebListener {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(
    tcp: TcpListener,
    tls: Option<TlsAcceptor>,
    limits: WebLimits,
    out: mpsc::Sender<(WebStream, SocketAddr)>,
) {
    let room = Arc::new(Semaphore::new(limits.connections));
    loop {
        // The semaphore is never closed.
        let Ok(permit) = Arc::clone(&room).acquire_owned().await else {
            return;
        };
        match tcp.accept().await {
            Ok((socket, from)) => {
                let (tls, out) = (tls.clone(), out.clone());
                tokio::spawn(async move {
                    if let Some(stream) = begin(socket, tls, limits, permit).await {
                        // An error means that the server was dropped.
                        let _ = out.send((stream, from)).await;
                    }
                });
            }
            Err(error) => {
                // Too many open files, for one: wait for some to close.
                warn!(%error, "connection not accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
        if out.is_closed() {
            return;
        }
    }
}

async fn begin(
    socket: TcpStream,
    tls: Option<TlsAcceptor>,
    limits: WebLimits,
    permit: OwnedSemaphorePermit,
) -> Option<WebStream> {
    // Without it answers of several parts wait for each other; nothing depends on it.
    let _ = socket.set_nodelay(true);
    let inner = match tls {
        None => Inner::Plain(socket),
        Some(acceptor) => {
            match tokio::time::timeout(limits.handshake, acceptor.accept(socket)).await {
                Ok(Ok(stream)) => Inner::Tls(Box::new(stream)),
                Ok(Err(error)) => {
                    debug!(%error, "TLS handshake failed");
                    return None;
                }
                Err(_) => {
                    debug!("TLS handshake took too long");
                    return None;
                }
            }
        }
    };
    Some(WebStream {
        inner,
        limits,
        request: None,
        timer: Box::pin(tokio::time::sleep(limits.idle)),
        _permit: permit,
    })
}

impl WebListener {
    /// The next connection, and where it comes from.
    pub(crate) async fn accept(&mut self) -> (WebStream, SocketAddr) {
        match self.ready.recv().await {
            Some(ready) => ready,
            // The accepting task is gone, which happens only when the runtime ends.
            None => std::future::pending().await,
        }
    }

    /// The limits.
    pub(crate) fn limits(&self) -> WebLimits {
        self.limits
    }
}

/// A connection, counted as open until it is dropped.
pub struct WebStream {
    inner: Inner,
    limits: WebLimits,
    request: Option<Coming>,
    timer: Pin<Box<Sleep>>,
    _permit: OwnedSemaphorePermit,
}

/// A request on its way in: since when, and how much of it is there.
struct Coming {
    since: Instant,
    bytes: u64,
}

impl Coming {
    fn is_too_slow(&self, limits: &WebLimits) -> bool {
        let lasts = self.since.elapsed();
        lasts > limits.head && self.bytes < limits.pace * (lasts - limits.head).as_secs()
    }
}

enum Inner {
    Plain(TcpStream),
    Tls(Box<tokio_rustls::server::TlsStream<TcpStream>>),
}

impl WebStream {
    /// Something came or went.
    fn touch(&mut self) {
        let end = Instant::now() + self.limits.idle;
        self.timer.as_mut().reset(end);
    }

    /// Counts what came; `false` when a request comes too slowly.
    fn came(&mut self, bytes: usize) -> bool {
        let request = self.request.get_or_insert_with(|| Coming {
            since: Instant::now(),
            bytes: 0,
        });
        request.bytes += bytes as u64;
        !request.is_too_slow(&self.limits)
    }

    /// Ready with an error when nothing came or went for too long.
    fn silent(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        ready!(self.timer.as_mut().poll(cx));
        Poll::Ready(io::Error::from(io::ErrorKind::TimedOut))
    }
}

impl AsyncRead for WebStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = match &mut self.inner {
            Inner::Plain(stream) => Pin::new(stream).poll_read(cx, buffer),
            Inner::Tls(stream) => Pin::new(stream.as_mut()).poll_read(cx, buffer),
        };
        if polled.is_ready() {
            self.touch();
            let bytes = buffer.filled().len() - before;
            return match bytes == 0 || self.came(bytes) {
                true => polled,
                false => Poll::Ready(Err(io::Error::from(io::ErrorKind::TimedOut))),
            };
        }
        self.silent(cx).map(Err)
    }
}

impl AsyncWrite for WebStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = match &mut self.inner {
            Inner::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Inner::Tls(stream) => Pin::new(stream.as_mut()).poll_write(cx, bytes),
        };
        if polled.is_ready() {
            // The answer begins: what comes after it is another request.
            self.request = None;
            self.touch();
            return polled;
        }
        self.silent(cx).map(Err)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = match &mut self.inner {
            Inner::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Inner::Tls(stream) => Pin::new(stream.as_mut()).poll_flush(cx),
        };
        if polled.is_ready() {
            return polled;
        }
        self.silent(cx).map(Err)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = match &mut self.inner {
            Inner::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Inner::Tls(stream) => Pin::new(stream.as_mut()).poll_shutdown(cx),
        };
        if polled.is_ready() {
            return polled;
        }
        self.silent(cx).map(Err)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_request_that_trickles_in_is_too_slow_and_a_large_one_is_not() {
        let limits = WebLimits::default();
        let mut coming = Coming {
            since: Instant::now(),
            bytes: 10,
        };
        assert!(!coming.is_too_slow(&limits), "the head has its time");
        tokio::time::advance(limits.head + Duration::from_secs(2)).await;
        assert!(coming.is_too_slow(&limits));
        coming.bytes = 2 * limits.pace;
        assert!(!coming.is_too_slow(&limits));
    }
}
