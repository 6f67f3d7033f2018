//! What happens, told to open pages as server-sent events.

use axum::response::sse::{Event, KeepAlive, Sse};
use futures_core::Stream;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::{broadcast, mpsc, watch};

/// Events that are kept for pages that lost the connection.
const KEPT: usize = 1000;
/// Pause after which a comment shows that the connection lives.
const PING: Duration = Duration::from_secs(15);

#[derive(Debug, Clone)]
struct Told {
    number: u64,
    kind: &'static str,
    data: Arc<str>,
}

/// Takes events and hands them to all who listen.
#[derive(Debug)]
pub(crate) struct Hub {
    /// Numbers of one process mean nothing to the next.
    boot: i64,
    sender: broadcast::Sender<Told>,
    kept: Mutex<VecDeque<Told>>,
    stop: watch::Receiver<bool>,
}

impl Hub {
    pub(crate) fn new(stop: watch::Receiver<bool>) -> Self {
        Hub {
            boot: hilum_store::now(),
            sender: broadcast::channel(KEPT).0,
            kept: Mutex::new(VecDeque::new()),
            stop,
        }
    }

    fn tell(&self, kind: &'static str, data: &Value) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let told = Told {
            number: kept.back().map_or(1, |t| t.number + 1),
            kind,
            data: data.to_string().into(),
        };
        kept.push_back(told.clone());
        if kept.len() > KEPT {
            kept.pop_front();
        }
        // Nobody may be listening.
        let _ = self.sender.send(told);
    }

    /// A row of the work list changed; `deleted` is a state too.
    pub(crate) fn worklist(&self, study: &str, state: &str, revision: i64) {
        let data = json!({ "study_uid": study, "state": state, "revision": revision });
        self.tell("worklist", &data);
    }

    /// A study is gone.
    pub(crate) fn deleted(&self, study: &str) {
        self.tell("deleted", &json!({ "study_uid": study }));
    }

    /// An edit was kept.
    pub(crate) fn edit(&self, study: &str, edit: &crate::edits::Edit) {
        self.tell("edit", &json!({ "study_uid": study, "edit": edit }));
    }

    /// A study was signed.
    pub(crate) fn signed(&self, study: &str, signed: &Value) {
        self.tell("signed", &json!({ "study_uid": study, "signed": signed }));
    }

    /// Events from now on, or from after `last` when it is still known; else a `reload` first.
    pub(crate) fn listen(
        &self,
        last: Option<&str>,
    ) -> Sse<impl Stream<Item = Result<Event, Infallible>> + use<>> {
        let (sender, receiver) = mpsc::channel::<Event>(64);
        let (missed, live) = {
            // Under the lock nothing can be told between the two.
            let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            (self.missed(&kept, last), self.sender.subscribe())
        };
        tokio::spawn(pump(self.boot, missed, live, sender, self.stop.clone()));
        Sse::new(Events(receiver)).keep_alive(KeepAlive::new().interval(PING).text("ping"))
    }

    /// What was told since `last`; `None` when that is not known any more.
    fn missed(&self, kept: &VecDeque<Told>, last: Option<&str>) -> Option<Vec<Told>> {
        let Some(last) = last else {
            return Some(Vec::new());
        };
        let (boot, number) = last.split_once('-')?;
        let number: u64 = number.parse().ok()?;
        let first = kept.front().map_or(1, |t| t.number);
        if boot != self.boot.to_string() || number + 1 < first {
            return None;
        }
        Some(kept.iter().filter(|t| t.number > number).cloned().collect())
    }
}

fn event(boot: i64, told: &Told) -> Event {
    Event::default()
        .event(told.kind)
        .id(format!("{boot}-{}", told.number))
        .data(&*told.data)
}

async fn pump(
    boot: i64,
    missed: Option<Vec<Told>>,
    mut live: broadcast::Receiver<Told>,
    sender: mpsc::Sender<Event>,
    mut stop: watch::Receiver<bool>,
) {
    let reload = || Event::default().event("reload").data("{}");
    let before = match missed {
        Some(missed) => missed.iter().map(|t| event(boot, t)).collect(),
        None => vec![reload()],
    };
    for event in before {
        if sender.send(event).await.is_err() {
            return;
        }
    }
    loop {
        let next = tokio::select! {
            told = live.recv() => match told {
                Ok(told) => event(boot, &told),
                Err(broadcast::error::RecvError::Lagged(_)) => reload(),
                Err(broadcast::error::RecvError::Closed) => return,
            },
            () = sender.closed() => return,
            _ = stop.changed() => return,
        };
        if sender.send(next).await.is_err() {
            return;
        }
    }
}

struct Events(mpsc::Receiver<Event>);

impl Stream for Events {
    type Item = Result<Event, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_recv(cx).map(|e| e.map(Ok))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_missed_is_told_or_the_page_reloads() {
        let (_stop, stopped) = watch::channel(false);
        let hub = Hub::new(stopped);
        for n in 0..KEPT + 10 {
            hub.worklist("1.2", "read", n as i64);
        }
        let kept = hub.kept.lock().unwrap();
        let missed = |last: &str| hub.missed(&kept, Some(last)).map(|m| m.len());
        let boot = hub.boot;
        assert_eq!(missed(&format!("{boot}-{}", KEPT + 8)), Some(2));
        assert_eq!(missed(&format!("{boot}-1")), None);
        assert_eq!(missed(&format!("{}-{}", boot - 1, KEPT)), None);
        assert_eq!(missed("nonsense"), None);
        assert_eq!(hub.missed(&kept, None).map(|m| m.len()), Some(0));
    }
}
