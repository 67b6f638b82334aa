//! What swanctl loads into charon: swanctl.conf, and the folders of certificates and keys beside it.

use std::fs;
use std::path::Path;

use crate::connection::{Connection, End};
use crate::proof::Proof;

/// Writes all of it for these connections, instead of what was there.
pub fn write(dir: &Path, connections: &[Connection]) {
    for folder in ["x509", "x509ca", "private", "pubkey"] {
        let folder = dir.join(folder);
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    }
    let copy = |folder: &str, file: &Path| {
        let to = dir.join(folder).join(file.file_name().unwrap_or_default());
        fs::copy(file, &to).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    };
    for connection in connections {
        match &connection.local.proof {
            Proof::Psk => {}
            Proof::Certificates(own) => {
                for own in own {
                    for (at, certificate) in own.certificates.iter().enumerate() {
                        copy(if at == 0 { "x509" } else { "x509ca" }, certificate);
                    }
                    copy("private", &own.key);
                }
            }
            Proof::RawKey { public, key } => {
                copy("pubkey", public);
                copy("private", key);
            }
        }
        for ca in &connection.local.trusts {
            copy("x509ca", ca);
        }
        if let Proof::RawKey { public, .. } = &connection.remote.proof {
            copy("pubkey", public);
        }
    }
    let text: String = connections.iter().map(conf).collect();
    let file = dir.join("swanctl.conf");
    fs::write(&file, text).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
}

/// Further lines of a section; the method is ours unless they name one.
fn section(proof: &Proof, id: &str, lines: &[String], own: bool) -> String {
    let mut all = vec![format!("id = {id}")];
    if !lines.iter().any(|line| line.starts_with("auth =")) {
        let method = if *proof == Proof::Psk { "psk" } else { "pubkey" };
        all.push(format!("auth = {method}"));
    }
    let name = |file: &Path| file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    match proof {
        Proof::Certificates(credentials) if own => {
            let files = credentials.iter().filter_map(|own| own.certificates.first());
            let files: Vec<String> = files.map(|file| name(file)).collect();
            all.push(format!("certs = {}", files.join(", ")));
        }
        Proof::RawKey { public, .. } => all.push(format!("pubkeys = {}", name(public))),
        Proof::Psk | Proof::Certificates(_) => {}
    }
    all.extend(lines.iter().cloned());
    all.join("\n      ")
}

/// swanctl.conf of one connection.
fn conf(connection: &Connection) -> String {
    let Connection {
        name,
        local,
        remote,
        version,
        secret,
        ..
    } = connection;
    let suite = |key: &str, suite: &str| match suite {
        "" => String::new(),
        suite => format!("{key} = {suite}"),
    };
    let (ike, esp) = (
        suite("proposals", &connection.ike),
        suite("esp_proposals", &connection.esp),
    );
    let (more, more_child) = (connection.swanctl.join("\n"), connection.swanctl_child.join("\n"));
    let (us, them) = (&local.address, &remote.address);
    let id = |end: &End| {
        let written = if end.swanctl_id.is_empty() {
            &end.id
        } else {
            &end.swanctl_id
        };
        written.clone()
    };
    let (us_id, them_id) = (&id(local), &id(remote));
    let here = section(&local.proof, us_id, &connection.swanctl_local, true);
    let there = section(&remote.proof, them_id, &connection.swanctl_remote, false);
    // Without a subnet: the addresses themselves.
    let dynamic = |subnet: &str| if subnet.is_empty() { "dynamic" } else { subnet }.to_string();
    let (us_ts, them_ts) = (dynamic(&local.subnet), dynamic(&remote.subnet));
    format!(
        "connections {{
  {name} {{
    version = {version}
    local_addrs = {us}
    remote_addrs = {them}
    {ike}
    {more}
    local {{
      {here}
    }}
    remote {{
      {there}
    }}
    children {{
      {name} {{
        local_ts = {us_ts}
        remote_ts = {them_ts}
        {esp}
        {more_child}
      }}
    }}
  }}
}}
secrets {{
  ike-{name} {{
    id-1 = {us_id}
    id-2 = {them_id}
    secret = \"{secret}\"
  }}
}}
"
    )
}
