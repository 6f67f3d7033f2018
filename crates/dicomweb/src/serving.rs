//! Answering on the connections of a [`WebListener`].

use crate::listener::WebListener;
use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use std::future::Future;
use std::pin::pin;
use tower_service::Service;
use tracing::debug;

/// Answers every request by `app`, over HTTP/1.1, until `stop` is ready; then accepts no more and waits for what is under way. Handlers
/// find the caller's address as `ConnectInfo<SocketAddr>`.
pub async fn serve(mut listener: WebListener, app: Router, stop: impl Future<Output = ()>) {
    let under_way = GracefulShutdown::new();
    let mut stop = pin!(stop);
    loop {
        let (stream, from) = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut stop => break,
        };
        let head = listener.limits().head;
        let app = app.clone();
        let answer = service_fn(move |request: Request<Incoming>| {
            let mut app = app.clone();
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(ConnectInfo(from));
            async move { app.call(request).await }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(head)
            .serve_connection(TokioIo::new(stream), answer);
        let watched = under_way.watch(connection);
        tokio::spawn(async move {
            if let Err(error) = watched.await {
                debug!(%error, "connection ended");
            }
        });
    }
    drop(listener);
    under_way.shutdown().await;
}
