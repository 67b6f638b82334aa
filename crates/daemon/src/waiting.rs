//! Callers of the control socket that wait for the outcome of `up` or `down`.

use handfast_engine::{Command, Event};
use serde_json::json;

use crate::control::Reply;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Wish {
    Up,
    Down,
}

/// See the module.
#[derive(Default)]
pub struct Waiting {
    list: Vec<(String, Wish, Reply)>,
}

impl Waiting {
    /// Remembers who asked. To be called before the engine gets the command, whose outcome may come at once.
    pub fn add(&mut self, command: &Command, reply: Reply) {
        self.list.retain(|(_, _, waiting)| !waiting.is_unwanted());
        match command {
            Command::Up { connection } => self.list.push((connection.clone(), Wish::Up, reply)),
            Command::Down { connection } => self.list.push((connection.clone(), Wish::Down, reply)),
            Command::Rekey { .. } | Command::Shutdown => {}
        }
    }

    /// Tells those whom an event answers.
    pub fn on_event(&mut self, event: &Event) {
        match event {
            Event::ConnectionUp { connection } => {
                self.tell(connection, Wish::Up, || json!({ "ok": true, "connection": connection }));
                self.tell(
                    connection,
                    Wish::Down,
                    || json!({ "ok": false, "error": format!("{connection} came up again before it was down") }),
                );
            }
            Event::ConnectionDown { connection, reason, .. } => {
                self.tell(connection, Wish::Up, || json!({ "ok": false, "error": reason }));
                self.tell(
                    connection,
                    Wish::Down,
                    || json!({ "ok": true, "connection": connection }),
                );
            }
            // The engine answers a wrong name at once, so it is the last who asked.
            Event::CommandFailed { reason } => {
                if let Some((_, _, reply)) = self.list.pop() {
                    reply.send(json!({ "ok": false, "error": reason }));
                }
            }
            _ => {}
        }
    }

    fn tell(&mut self, connection: &str, wish: Wish, answer: impl Fn() -> serde_json::Value) {
        let list = std::mem::take(&mut self.list);
        let (told, kept): (Vec<_>, Vec<_>) = list
            .into_iter()
            .partition(|(name, wanted, _)| name == connection && *wanted == wish);
        self.list = kept;
        told.into_iter().for_each(|(_, _, reply)| reply.send(answer()));
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use tokio::sync::oneshot::Receiver;

    fn ask(waiting: &mut Waiting, command: Command) -> Receiver<serde_json::Value> {
        let (reply, answer) = Reply::new();
        waiting.add(&command, reply);
        answer
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
        waiting.on_event(&is_up("office"));
        assert_eq!(office.try_recv().unwrap()["ok"], true);
        assert!(home.try_recv().is_err(), "told of another's connection");
        waiting.on_event(&is_down("home", "no proposal in common"));
        assert_eq!(
            home.try_recv().unwrap(),
            json!({ "ok": false, "error": "no proposal in common" })
        );
        assert!(waiting.list.is_empty());
    }

    #[test]
    fn down_is_what_down_waits_for() {
        let mut waiting = Waiting::default();
        let (mut first, mut second) = (ask(&mut waiting, down("office")), ask(&mut waiting, down("office")));
        waiting.on_event(&is_down("office", "taken down"));
        assert_eq!(first.try_recv().unwrap()["ok"], true);
        assert_eq!(second.try_recv().unwrap()["ok"], true);
    }

    #[test]
    fn a_wrong_name_is_told_to_whom_it_concerns() {
        let mut waiting = Waiting::default();
        let mut office = ask(&mut waiting, up("office"));
        let mut wrong = ask(&mut waiting, up("ofice"));
        let reason = "no connection is called \"ofice\"".to_string();
        waiting.on_event(&Event::CommandFailed { reason: reason.clone() });
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
}
