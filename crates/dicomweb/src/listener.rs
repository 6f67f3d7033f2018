//! Connections of an HTTP server: plain or TLS, with a limit on how many there are and how long one may be silent. For
//! [`axum::serve`], whatever is served.

use axum::serve::Listener;
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
}

impl Default for WebLimits {
    fn default() -> Self {
        WebLimits {
            connections: 256,
            handshake: Duration::from_secs(10),
            idle: Duration::from_secs(300),
        }
    }
}

/// A bound port that hands out connections whose handshake is done. A caller that is slow with it holds up nobody else.
pub struct WebListener {
    address: SocketAddr,
    secure: bool,
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
        idle: limits.idle,
        timer: Box::pin(tokio::time::sleep(limits.idle)),
        _permit: permit,
    })
}

impl Listener for WebListener {
    type Io = WebStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (WebStream, SocketAddr) {
        match self.ready.recv().await {
            Some(ready) => ready,
            // The accepting task is gone, which happens only when the runtime ends.
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }
}

/// A connection, counted as open until it is dropped.
pub struct WebStream {
    inner: Inner,
    idle: Duration,
    timer: Pin<Box<Sleep>>,
    _permit: OwnedSemaphorePermit,
}

enum Inner {
    Plain(TcpStream),
    Tls(Box<tokio_rustls::server::TlsStream<TcpStream>>),
}

impl WebStream {
    /// Something came or went.
    fn touch(&mut self) {
        self.timer.as_mut().reset(Instant::now() + self.idle);
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
        let polled = match &mut self.inner {
            Inner::Plain(stream) => Pin::new(stream).poll_read(cx, buffer),
            Inner::Tls(stream) => Pin::new(stream.as_mut()).poll_read(cx, buffer),
        };
        if polled.is_ready() {
            self.touch();
            return polled;
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
