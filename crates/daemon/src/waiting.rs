//! Callers of the control socket that wait for the outcome of `up`, `down` or `rekey`.

use std::collections::HashMap;

use handfast_engine::{Command, Event, Rekey};
use handfast_plane::op::ChildId;
use handfast_store::refusals::RefusalFacts;
use serde_json::{Value, json};

use crate::book::Book;
use crate::control::Reply;

#[derive(Clone, PartialEq, Eq)]
enum Wish {
    Up,
    Down,
    RekeyIke,
    /// Which children are still to be replaced.
    RekeyChildren(Vec<ChildId>),
}

impl Wish {
    fn is_rekey(&self) -> bool {
        matches!(self, Self::RekeyIke | Self::RekeyChildren(_))
    }
}

struct Caller {
    connection: String,
    wish: Wish,
    reply: Reply,
}

/// See the module.
#[derive(Default)]
pub struct Waiting {
    list: Vec<Caller>,
    /// Why connections are not up, as data.
    refusals: HashMap<String, RefusalFacts>,
}

impl Waiting {
    /// Remembers who asked. To be called before the engine gets the command, whose outcome may come at once. `children`:
    /// those of a connection that are in use.
    pub fn add(&mut self, command: &Command, reply: Reply, children: impl FnOnce(&str) -> Vec<ChildId>) {
        self.list.retain(|caller| !caller.reply.is_unwanted());
        let (connection, wish) = match command {
            Command::Up { connection } => (connection, Wish::Up),
            Command::Down { connection } => (connection, Wish::Down),
            Command::Rekey { connection, what } => match what {
                Rekey::Ike => (connection, Wish::RekeyIke),
                Rekey::Children => (connection, Wish::RekeyChildren(children(connection))),
            },
            Command::Shutdown => return,
        };
        let connection = connection.clone();
        self.list.push(Caller {
            connection,
            wish,
            reply,
        });
    }

    /// Tells those whom an event answers.
    pub fn on_event(&mut self, event: &Event, book: &Book) {
        let done = |connection: &str| json!({ "ok": true, "connection": connection });
        let failed = |reason: &str| json!({ "ok": false, "error": reason });
        match event {
            Event::ConnectionUp { connection } => {
                self.refusals.remove(connection);
                self.tell(connection, |wish| *wish == Wish::Up, || done(connection));
                let again = format!("{connection} came up again before it was down");
                self.tell(connection, |wish| *wish == Wish::Down, || failed(&again));
            }
            Event::ConnectionDown { connection, reason, .. } => {
                let fails = |wish: &Wish| *wish == Wish::Up || wish.is_rekey();
                let mut answer = failed(reason);
                if let Some(refusal) = self.refusals.remove(connection) {
                    answer["refusal"] = json!(refusal);
                }
                self.tell(connection, fails, || answer.clone());
                self.tell(connection, |wish| *wish == Wish::Down, || done(connection));
            }
            Event::Refused {
                connection: Some(connection),
                remote,
                refusal,
                ..
            } => {
                let facts = refusal.facts(Some(connection), *remote);
                let mut answer = failed(&refusal.to_string());
                answer["refusal"] = json!(facts);
                self.tell(connection, Wish::is_rekey, || answer.clone());
                self.refusals.insert(connection.clone(), facts);
            }
            Event::IkeRekeyed { new, .. } => {
                let Some(connection) = book.connection(*new) else {
                    return;
                };
                self.tell(connection, |wish| *wish == Wish::RekeyIke, || done(connection));
            }
            Event::ChildRekeyed { old, .. } => self.replaced(*old),
            Event::ChildGone { child, reason, .. } => {
                let lost = |wish: &Wish| matches!(wish, Wish::RekeyChildren(left) if left.contains(child));
                self.tell_any(lost, |_| failed(reason));
            }
            // The engine answers a wrong name at once, so it is the last who asked.
            Event::CommandFailed { reason } => {
                if let Some(caller) = self.list.pop() {
                    caller.reply.send(failed(reason));
                }
            }
            _ => {}
        }
    }

    fn replaced(&mut self, old: ChildId) {
        for caller in &mut self.list {
            if let Wish::RekeyChildren(left) = &mut caller.wish {
                left.retain(|child| *child != old);
            }
        }
        self.tell_any(
            |wish| *wish == Wish::RekeyChildren(vec![]),
            |connection| json!({ "ok": true, "connection": connection }),
        );
    }

    fn tell(&mut self, connection: &str, concerns: impl Fn(&Wish) -> bool, answer: impl Fn() -> Value) {
        let told = self
            .list
            .extract_if(.., |caller| caller.connection == connection && concerns(&caller.wish));
        told.for_each(|caller| caller.reply.send(answer()));
    }

    fn tell_any(&mut self, concerns: impl Fn(&Wish) -> bool, answer: impl Fn(&str) -> Value) {
        let told = self.list.extract_if(.., |caller| concerns(&caller.wish));
        told.for_each(|caller| caller.reply.send(answer(&caller.connection)));
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use handfast_engine::refusal::{Cause, Party, Refusal};
    use tokio::sync::oneshot::Receiver;

    use handfast_store::delta::SaId;

    use super::*;

    fn ask(waiting: &mut Waiting, command: Command) -> Receiver<serde_json::Value> {
        rekeying(waiting, command, &[])
    }

    fn rekeying(waiting: &mut Waiting, command: Command, children: &[u64]) -> Receiver<serde_json::Value> {
        let (reply, answer) = Reply::new();
        waiting.add(&command, reply, |_| children.iter().map(|id| ChildId(*id)).collect());
        answer
    }

    /// With the SAs 1 and 2 of the connection.
    fn on_event(waiting: &mut Waiting, event: &Event) {
        let mut book = Book::default();
        book.learn(&established(1));
        book.learn(&established(2));
        waiting.on_event(event, &book);
    }

    fn up(name: &str) -> Command {
        Command::Up {
            connection: name.into(),
        }
    }

    fn down(name: &str) -> Command {
        Command::Down {
            connection: name.into(),
        }
    }

    fn is_up(name: &str) -> Event {
        Event::ConnectionUp {
            connection: name.into(),
        }
    }

    fn is_down(name: &str, reason: &str) -> Event {
        Event::ConnectionDown {
            connection: name.into(),
            reason: reason.into(),
            retry_in: None,
        }
    }

    #[test]
    fn each_hears_of_its_own_connection_once() {
        let mut waiting = Waiting::default();
        let mut office = ask(&mut waiting, up("office"));
        let mut home = ask(&mut waiting, up("home"));
        on_event(&mut waiting, &is_up("office"));
        assert_eq!(office.try_recv().unwrap()["ok"], true);
        assert!(home.try_recv().is_err(), "told of another's connection");
        on_event(&mut waiting, &is_down("home", "no proposal in common"));
        assert_eq!(
            home.try_recv().unwrap(),
            json!({ "ok": false, "error": "no proposal in common" })
        );
        assert!(waiting.list.is_empty());
    }

    #[test]
    fn who_waits_for_up_hears_the_refusal_as_data_too() {
        let mut waiting = Waiting::default();
        let mut office = ask(&mut waiting, up("office"));
        let refusal = Refusal::new(Party::Us, Cause::Selectors).look_at("t.toml:7 (local_subnet)");
        let remote = "192.0.2.2:500".parse().unwrap();
        on_event(
            &mut waiting,
            &Event::Refused {
                sa: None,
                connection: Some("office".into()),
                remote,
                refusal: refusal.clone(),
            },
        );
        assert!(office.try_recv().is_err(), "it is not down yet");
        on_event(&mut waiting, &is_down("office", &refusal.to_string()));
        let answer = office.try_recv().unwrap();
        assert_eq!(answer["error"], refusal.to_string());
        assert_eq!(answer["refusal"], json!(refusal.facts(Some("office"), remote)));
        // It is told once: what fails later for another reason has another.
        let mut later = ask(&mut waiting, up("office"));
        on_event(&mut waiting, &is_down("office", "taken down"));
        assert_eq!(later.try_recv().unwrap(), json!({ "ok": false, "error": "taken down" }));
    }

    #[test]
    fn down_is_what_down_waits_for() {
        let mut waiting = Waiting::default();
        let (mut first, mut second) = (ask(&mut waiting, down("office")), ask(&mut waiting, down("office")));
        on_event(&mut waiting, &is_down("office", "taken down"));
        assert_eq!(first.try_recv().unwrap()["ok"], true);
        assert_eq!(second.try_recv().unwrap()["ok"], true);
    }

    #[test]
    fn a_wrong_name_is_told_to_whom_it_concerns() {
        let mut waiting = Waiting::default();
        let mut office = ask(&mut waiting, up("office"));
        let mut wrong = ask(&mut waiting, up("ofice"));
        let reason = "no connection is called \"ofice\"".to_string();
        on_event(&mut waiting, &Event::CommandFailed { reason: reason.clone() });
        assert_eq!(wrong.try_recv().unwrap()["error"], reason);
        assert!(office.try_recv().is_err());
    }

    #[test]
    fn callers_that_have_gone_are_forgotten() {
        let mut waiting = Waiting::default();
        for _ in 0..100 {
            drop(ask(&mut waiting, up("office")));
        }
        assert!(waiting.list.len() <= 1);
    }

    fn established(sa: u64) -> Event {
        let suite = "aes128gcm16-prfsha256-x25519";
        let proposal: handfast_crypto::proposal::IkeProposal = suite.parse().unwrap();
        let suite = handfast_crypto::proposal::IkeSuite {
            encr: proposal.encr[0],
            prf: proposal.prf[0],
            integ: None,
            group: proposal.groups[0],
        };
        Event::IkeEstablished {
            sa: SaId(sa),
            connection: "office".into(),
            spi_i: handfast_wire::header::Spi([1; 8]),
            spi_r: handfast_wire::header::Spi([2; 8]),
            suite,
            peer: "b.test".into(),
            initiator: true,
            took: std::time::Duration::ZERO,
        }
    }

    fn rekey(what: Rekey) -> Command {
        let connection = "office".into();
        Command::Rekey { connection, what }
    }

    #[test]
    fn a_rekey_is_done_when_everything_of_its_kind_is_replaced() {
        let mut waiting = Waiting::default();
        let mut children = rekeying(&mut waiting, rekey(Rekey::Children), &[1, 2]);
        let mut ike = ask(&mut waiting, rekey(Rekey::Ike));
        let replaced = |old| Event::ChildRekeyed {
            sa: SaId(1),
            old: ChildId(old),
            new: ChildId(old + 10),
        };
        on_event(&mut waiting, &replaced(1));
        assert!(children.try_recv().is_err(), "one child is still to come");
        on_event(&mut waiting, &replaced(2));
        assert_eq!(children.try_recv().unwrap()["ok"], true);
        assert!(ike.try_recv().is_err());
        on_event(
            &mut waiting,
            &Event::IkeRekeyed {
                old: SaId(1),
                new: SaId(2),
            },
        );
        assert_eq!(ike.try_recv().unwrap()["ok"], true);
        let mut again = rekeying(&mut waiting, rekey(Rekey::Children), &[11]);
        on_event(&mut waiting, &replaced(11));
        assert_eq!(again.try_recv().unwrap()["ok"], true);
    }

    #[test]
    fn a_rekey_that_is_refused_or_ends_with_its_sa_is_told_so() {
        let mut waiting = Waiting::default();
        let mut refused = ask(&mut waiting, rekey(Rekey::Ike));
        on_event(
            &mut waiting,
            &Event::Refused {
                sa: None,
                connection: Some("office".into()),
                remote: "127.0.0.1:500".parse().unwrap(),
                refusal: Refusal::new(Party::Peer, Cause::NoIkeProposal),
            },
        );
        let answer = refused.try_recv().unwrap();
        assert!(
            answer["error"].as_str().unwrap().contains("no proposal in common"),
            "{answer}"
        );
        let mut gone = rekeying(&mut waiting, rekey(Rekey::Children), &[1]);
        on_event(
            &mut waiting,
            &Event::ChildGone {
                sa: SaId(1),
                child: ChildId(1),
                reason: "deleted by the peer".into(),
            },
        );
        assert_eq!(gone.try_recv().unwrap()["error"], "deleted by the peer");
        let mut down = ask(&mut waiting, rekey(Rekey::Ike));
        on_event(&mut waiting, &is_down("office", "taken down"));
        assert_eq!(down.try_recv().unwrap()["error"], "taken down");
        assert!(waiting.list.is_empty());
    }
}
