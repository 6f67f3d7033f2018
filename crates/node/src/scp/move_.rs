//! C-MOVE: objects go to a destination of the configuration by C-STORE.

use crate::audit;
use crate::command::{Command, element, status};
use crate::error::Result;
use crate::message::Message;
use crate::scp::accept::Context;
use crate::scp::association::{Session, identifier};
use crate::scp::find;
use crate::scu::{Item, Origin, Remote, SendReport, Sender};
use hilum_store::{Located, Query};
use tracing::debug;

/// Answers a request to move objects.
pub(crate) fn move_(session: &mut Session<'_>, context: &Context, message: &Message) -> Result<()> {
    let (id, command) = (message.context, &message.command);
    let query = identifier(context, &message.data)
        .map_err(|e| e.to_string())
        .and_then(|asked| find::query(&asked, find::is_patient_root(&context.sop_class)));
    let query = match query {
        Ok(query) if !query.conditions.is_empty() => query,
        Ok(_) => return session.respond(id, command, status::DOES_NOT_MATCH, "no unique key"),
        Err(comment) => return session.respond(id, command, status::DOES_NOT_MATCH, &comment),
    };
    let shared = session.shared;
    let named = command.text(element::MOVE_DESTINATION).unwrap_or_default();
    let Some(destination) = shared
        .config
        .destination
        .iter()
        .find_map(|d| d.entity().ok().filter(|e| e.aet.trim() == named))
    else {
        return session.respond(
            id,
            command,
            status::MOVE_DESTINATION_UNKNOWN,
            "destination unknown",
        );
    };
    let objects = match objects(session, &query) {
        Ok(objects) => objects,
        Err(error) => {
            debug!(%error, "move failed");
            return session.respond(id, command, status::OUT_OF_RESOURCES, "index");
        }
    };
    let items: Vec<Item> = objects.iter().map(|o| item(session, o)).collect();
    let remote = Remote::new(destination, &shared.config.node.aet)?;
    let origin = Origin {
        aet: session.association.calling.clone(),
        message_id: command.number(element::MESSAGE_ID).unwrap_or(0),
    };
    let mut progress = SendReport::new(items.len());
    let mut broken = None;
    Sender::new(&remote)
        .origin(origin)
        .send(&items, |report, _, _| {
            progress = report.clone();
            if broken.is_none() {
                let pending = counted(Command::response(command, status::PENDING), report, true);
                broken = session.send(id, &pending, None).err();
            }
        });
    if let Some(error) = broken {
        return Err(error);
    }
    shared.count(|t| t.moved += progress.done as u64);
    shared.audit.write(&audit::sent(
        &shared.config.node.aet,
        &destination.aet,
        &destination.host,
        &studies(&objects),
        progress.done,
        progress.failed,
    ));
    let final_status = if progress.failed == 0 {
        status::SUCCESS
    } else if progress.done == 0 {
        0xA702
    } else {
        status::MOVE_SOME_FAILED
    };
    let response = counted(Command::response(command, final_status), &progress, false);
    session.send(id, &response, None)
}

fn objects(session: &Session<'_>, query: &Query) -> hilum_store::Result<Vec<Located>> {
    let shared = session.shared;
    let query = Query {
        limit: 100_000,
        ..query.clone()
    };
    shared.runtime.block_on(shared.store.objects(&query))
}

fn item(session: &Session<'_>, object: &Located) -> Item {
    Item {
        path: session.shared.store.path(object),
        sop_class: object.sop_class.clone(),
        instance: object.instance.to_string(),
        transfer_syntax: object.transfer_syntax.clone(),
    }
}

fn studies(objects: &[Located]) -> Vec<String> {
    let mut studies: Vec<String> = objects.iter().map(|o| o.study.to_string()).collect();
    studies.sort();
    studies.dedup();
    studies
}

/// Adds the numbers of sub-operations.
fn counted(command: Command, report: &SendReport, remaining: bool) -> Command {
    let number = |n: usize| u16::try_from(n).unwrap_or(u16::MAX);
    let command = command
        .with_number(element::COMPLETED, number(report.done))
        .with_number(element::FAILED, number(report.failed))
        .with_number(element::WARNING, 0);
    if remaining {
        command.with_number(element::REMAINING, number(report.remaining()))
    } else {
        command
    }
}
