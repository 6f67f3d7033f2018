//! A client in a process of its own: reads its cases when a server tells it which one it is, and answers rounds.

use super::cases::Training;
use super::client::Client;
use super::config::Config;
use super::setting::{Setting, Setup, Welcome};
use super::state::{SLACK, WHOLE, pack};
use crate::blocks::classes::ClassSet;
use crate::blocks::study::Settings;
use crate::context::Context;
use crate::error::{MethodError, Result};
use hilum_federation::{Call, Participant, Refusal};
use hilum_nn::NnError;
use std::net::TcpListener;
use std::sync::Arc;

/// Serves a client with the data of `ctx` on the connections that `listener` accepts, until `ctx.stop` is set. It holds
/// no cases before a server has told it which are its own, and never anybody else's.
///
/// # Errors
/// A network that does not work.
pub fn serve(ctx: Context<'static>, listener: TcpListener, secret: Option<String>) -> Result<()> {
    let stop = ctx.stop;
    Ok(hilum_federation::serve(
        listener,
        secret,
        Member::new(ctx),
        stop,
    )?)
}

/// The client, as far as it knows who it is.
struct Member {
    ctx: Context<'static>,
    held: Option<Held>,
    client: Option<Client<'static>>,
    longest: usize,
}

/// Cases that were loaded, and for whom: the arms of one federation share them.
struct Held {
    of: Setting,
    client: usize,
    tiny: bool,
    pictures: Arc<ClassSet>,
    hash: String,
}

impl Held {
    fn fits(&self, setup: &Setup) -> bool {
        let (a, b) = (&self.of, &setup.setting);
        let deal = |s: &Setting| (s.study.clone(), s.skew, s.least, s.seed);
        self.client == setup.client && self.tiny == setup.tiny && deal(a) == deal(b)
    }
}

impl Member {
    fn new(ctx: Context<'static>) -> Self {
        Member {
            ctx,
            held: None,
            client: None,
            longest: 0,
        }
    }

    fn begin(&mut self, message: &[u8]) -> Result<Vec<u8>> {
        // Whoever it was before, it is no longer.
        self.client = None;
        let setup = Setup::from_bytes(message)?;
        let setting = &setup.setting;
        // The checks that the server has made too.
        Config {
            studies: vec![setting.study.clone()],
            backbone: setting.backbone.clone(),
            local: setting.local,
            least: setting.least,
            ..Config::default()
        }
        .validate()?;
        let held = match self.held.take().filter(|h| h.fits(&setup)) {
            Some(held) => held,
            None => load(&self.ctx, &setup)?,
        };
        let held = self.held.insert(held);
        let graph = setting.graph();
        // A round's message is not longer than all there is.
        self.longest = pack(&graph, &graph.init_params(0), WHOLE)?.len() + SLACK;
        let pictures = Arc::clone(&held.pictures);
        let welcome = Welcome {
            cases: pictures.len(),
            hash: held.hash.clone(),
        };
        self.client = Some(setting.client(&self.ctx, setup.client, pictures));
        welcome.to_bytes()
    }

    fn answer(&mut self, call: Call, message: &[u8]) -> Result<Vec<u8>> {
        if call == Call::Begin {
            return self.begin(message);
        }
        let client = self
            .client
            .as_mut()
            .ok_or_else(|| MethodError::Config("no run has begun here".to_owned()))?;
        match call {
            Call::Alone => client.alone().map(|()| Vec::new()),
            Call::Model => client.whole(),
            _ => client.answer(message),
        }
    }
}

fn load(ctx: &Context<'_>, setup: &Setup) -> Result<Held> {
    let ctx = Context {
        tiny: setup.tiny,
        ..ctx.clone()
    };
    let setting = &setup.setting;
    let training = Training::of(&ctx, &setting.study)?;
    let dealt = training.deal(&setting.study, setting.skew, setting.least, setting.seed)?;
    let own = dealt.get(setup.client).ok_or_else(|| {
        MethodError::Config(format!(
            "there is no client {} among {}",
            setup.client + 1,
            dealt.len()
        ))
    })?;
    Ok(Held {
        of: setting.clone(),
        client: setup.client,
        tiny: setup.tiny,
        pictures: Arc::new(training.pictures(own)?),
        hash: training.hash(own),
    })
}

impl Participant for Member {
    fn call(&mut self, call: Call, message: &[u8]) -> std::result::Result<Vec<u8>, Refusal> {
        self.answer(call, message).map_err(|error| {
            let reason = error.to_string();
            match error {
                MethodError::Config(_) | MethodError::Nn(NnError::Weights(_)) => {
                    Refusal::Unfit(reason)
                }
                _ => Refusal::Failed(reason),
            }
        })
    }

    fn longest(&self) -> usize {
        self.longest
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blocks::made_up::{context, paediatric};
    use crate::fedld::Algorithm;
    use crate::fedld::config::Skew;
    use std::path::Path;
    use std::sync::atomic::AtomicBool;

    static STOP: AtomicBool = AtomicBool::new(false);

    fn setup(client: usize, algorithm: Algorithm) -> Setup {
        let config = Config::tiny();
        let deal = (Skew::Label { alpha: 0.1 }, 3);
        let setting = Setting::new(&config, &config.studies[0], deal, algorithm);
        Setup::new(true, client, &setting)
    }

    fn member(root: &Path) -> Member {
        paediatric(root);
        Member::new(context(root, &STOP))
    }

    fn begin(member: &mut Member, setup: &Setup) -> std::result::Result<Welcome, Refusal> {
        let answer = member.call(Call::Begin, &setup.to_bytes().unwrap())?;
        Ok(serde_json::from_slice(&answer).unwrap())
    }

    #[test]
    fn it_answers_as_the_same_client_in_process_does() {
        let dir = tempfile::tempdir().unwrap();
        let mut member = member(dir.path());
        let setup = setup(2, Algorithm::FedBn);
        let setting = &setup.setting;
        let welcome = begin(&mut member, &setup).unwrap();
        let training = Training::of(&member.ctx, &setting.study).unwrap();
        let dealt = training
            .deal(&setting.study, setting.skew, setting.least, setting.seed)
            .unwrap();
        assert_eq!(welcome.cases, dealt[2].len());
        assert_eq!(welcome.hash, training.hash(&dealt[2]));

        let pictures = Arc::new(training.pictures(&dealt[2]).unwrap());
        let mut here = setting.client(&member.ctx, 2, pictures);
        let graph = setting.graph();
        let message = pack(&graph, &graph.init_params(9), setting.algorithm).unwrap();
        for _ in 0..2 {
            let answer = member.call(Call::Answer, &message).unwrap();
            assert_eq!(answer, here.answer(&message).unwrap());
        }
        let model = member.call(Call::Model, b"").unwrap();
        assert_eq!(model, here.whole().unwrap());
        assert!(model.len() < member.longest());
    }

    #[test]
    fn what_does_not_fit_is_refused_and_what_it_was_is_forgotten() {
        let dir = tempfile::tempdir().unwrap();
        let mut member = member(dir.path());
        assert!(matches!(
            member.call(Call::Answer, b""),
            Err(Refusal::Unfit(_))
        ));
        let good = setup(1, Algorithm::FedAvg);
        begin(&mut member, &good).unwrap();
        assert!(matches!(
            member.call(Call::Answer, b"x"),
            Err(Refusal::Unfit(_))
        ));
        assert!(matches!(
            member.call(Call::Alone, b""),
            Err(Refusal::Unfit(_))
        ));
        let bad: [fn(&mut Setup); 4] = [
            |s| s.version = "0.0.0".to_owned(),
            |s| s.method = "fedsgd".to_owned(),
            |s| s.client = 5,
            |s| s.setting.local.batch = 0,
        ];
        for change in bad {
            let mut setup = good.clone();
            change(&mut setup);
            let told = begin(&mut member, &setup);
            assert!(matches!(told, Err(Refusal::Unfit(_))), "{told:?}");
            assert!(member.client.is_none());
        }
        // The arms of a federation share what was loaded.
        begin(&mut member, &good).unwrap();
        std::fs::remove_dir_all(dir.path().join("images")).unwrap();
        begin(&mut member, &good).unwrap();
        let other = begin(&mut member, &setup(0, Algorithm::FedAvg));
        assert!(matches!(other, Err(Refusal::Failed(_))), "{other:?}");
    }
}
