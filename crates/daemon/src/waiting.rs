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
        match command {
            Command::Up { connection } => self.list.push((connection.clone(), Wish::Up, reply)),
            Command::Down { connection } => self.list.push((connection.clone(), Wish::Down, reply)),
            Command::Shutdown => {}
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
