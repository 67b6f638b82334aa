//! What the command line asks of a running daemon, or does without one.

use std::io::IsTerminal;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use handfast_config::Loaded;
use serde_json::Value;

use crate::cli::{NameOptions, RekeyOptions, ReloadOptions, StatusOptions, USAGE};
use crate::config_file::{self, Unusable};
use crate::console;
use crate::control::client::call;
use crate::control::{ControlError, Request};
use crate::{reload, table};

/// One sentence on standard error.
pub fn failed(reason: &dyn std::fmt::Display) -> ExitCode {
    eprintln!("handfast: {reason}");
    ExitCode::FAILURE
}

/// Loads a configuration, or prints what is wrong with it and says how to exit.
pub fn load_file(path: &Path) -> Result<(Loaded, String), ExitCode> {
    match config_file::read(path) {
        Ok(loaded) => Ok((loaded, path.display().to_string())),
        Err(Unusable::File(why)) => {
            eprintln!("handfast: {why}");
            Err(ExitCode::from(USAGE))
        }
        Err(Unusable::Mistakes(mistakes)) => {
            let terminal = std::io::stderr().is_terminal();
            // On a terminal with the lines themselves; for tools one mistake a line.
            let text = if terminal {
                mistakes.render(true)
            } else {
                mistakes.to_string()
            };
            eprint!("{text}");
            Err(ExitCode::from(USAGE))
        }
    }
}

/// `handfast up` and `down`.
pub fn named(options: &NameOptions, request: &Request, done: &str) -> ExitCode {
    let timeout = Duration::from_secs(options.timeout.max(1));
    match call(&options.socket, request, timeout) {
        Ok(answer) if answer["ok"] == true => {
            console::line(format_args!("{} {done}", options.name));
            ExitCode::SUCCESS
        }
        Ok(answer) => failed(&error_of(&answer)),
        Err(ControlError::Timeout(_)) => {
            let state = state_of(&options.socket, &options.name).unwrap_or_default();
            failed(&format!(
                "{} after {timeout:?}: not yet{state}; the daemon goes on",
                options.name
            ))
        }
        Err(error) => failed(&error),
    }
}

/// `handfast rekey`.
pub fn rekey(options: &RekeyOptions) -> ExitCode {
    let connection = options.name.name.clone();
    let ike = options.ike;
    let done = if ike {
        "has a fresh IKE SA"
    } else {
        "has fresh child SAs"
    };
    named(&options.name, &Request::Rekey { connection, ike }, done)
}

/// `handfast status`.
pub fn status(options: &StatusOptions) -> ExitCode {
    let answer = match ask(&options.socket, &Request::Status {}, Duration::from_secs(10)) {
        Ok(answer) => answer,
        Err(reason) => return failed(&reason),
    };
    if options.json {
        console::line(&answer["status"]);
        return ExitCode::SUCCESS;
    }
    match serde_json::from_value(answer["status"].clone()) {
        Ok(status) => {
            console::line(table::status_table(&status));
            ExitCode::SUCCESS
        }
        Err(error) => failed(&ControlError::Answer(error.to_string())),
    }
}

/// `handfast reload`.
pub fn reload(options: &ReloadOptions) -> ExitCode {
    let dry_run = options.dry_run;
    let answer = match call(&options.socket, &Request::Reload { dry_run }, Duration::from_secs(30)) {
        Ok(answer) => answer,
        Err(error) => return failed(&error),
    };
    let ok = answer["ok"] == true;
    if options.json {
        console::line(&answer);
    }
    let lines = |key: &str| {
        let list = answer[key].as_array().map(Vec::as_slice).unwrap_or_default();
        list.iter()
            .filter_map(Value::as_str)
            .for_each(|line| eprintln!("{line}"));
    };
    lines("warnings");
    lines("mistakes");
    if !ok {
        eprintln!("handfast: {}", error_of(&answer));
        let mistakes = answer["mistakes"].is_array();
        return if mistakes {
            ExitCode::from(USAGE)
        } else {
            ExitCode::FAILURE
        };
    }
    if !options.json {
        match serde_json::from_value(answer["changes"].clone()) {
            Ok(changes) => console::line(reload::text(&changes, !dry_run)),
            Err(error) => return failed(&ControlError::Answer(error.to_string())),
        }
    }
    ExitCode::SUCCESS
}

/// The daemon's answer, if it is a yes.
fn ask(socket: &Path, request: &Request, timeout: Duration) -> Result<Value, String> {
    let answer = call(socket, request, timeout).map_err(|e| e.to_string())?;
    if answer["ok"] == true {
        return Ok(answer);
    }
    Err(error_of(&answer))
}

fn error_of(answer: &Value) -> String {
    answer["error"]
        .as_str()
        .unwrap_or("the daemon gave no reason")
        .to_string()
}

/// Where a connection stands, as the end of a sentence.
fn state_of(socket: &Path, name: &str) -> Option<String> {
    let answer = ask(socket, &Request::Status {}, Duration::from_secs(1)).ok()?;
    let entries = answer["status"]["ike_sas"].as_array()?;
    let entry = entries.iter().find(|entry| entry["connection"] == name)?;
    let reason = entry["reason"].as_str().map(|reason| format!(", {reason}"));
    Some(format!(" ({}{})", entry["state"].as_str()?, reason.unwrap_or_default()))
}
