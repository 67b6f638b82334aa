//! The `[daemon]` table.

use handfast_engine::policy::Cookies;

use crate::section::{Reader, Section};
use crate::{DaemonConfig, LogFormat};

impl Default for DaemonConfig {
    fn default() -> Self {
        Self {
            ike_port: 500,
            natt_port: 4500,
            socket: "/run/handfast.sock".into(),
            log: LogFormat::Text,
            log_level: "info".into(),
            half_open_limit: 1000,
            half_open_per_address: 50,
            cookies: Cookies::Auto,
            tun: "handfast0".into(),
            mtu: None,
            offload: true,
            prepared_keys: 16,
        }
    }
}

/// A device's name has at most this many octets (Linux's IFNAMSIZ less its end).
const MAX_DEVICE_NAME: usize = 15;
const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
const LEVEL: &str = "off, error, warn, info, debug or trace";

pub(crate) fn read(section: Option<Section<'_, '_>>, reader: &mut Reader<'_>) -> DaemonConfig {
    let mut config = DaemonConfig::default();
    let Some(mut s) = section else { return config };
    let port = |n: u64| u16::try_from(n).unwrap_or(u16::MAX);
    config.ike_port = s.number(reader, "ike_port", 1, 65_535).map_or(config.ike_port, port);
    config.natt_port = s.number(reader, "natt_port", 1, 65_535).map_or(config.natt_port, port);
    if config.ike_port == config.natt_port {
        reader.error(
            s.at_of("natt_port"),
            "ike_port and natt_port are the same".into(),
            "two different ports",
            "",
        );
    }
    if let Some((socket, _)) = s.text(reader, "socket", "a path") {
        config.socket = socket.into();
    }
    let formats = [("text", LogFormat::Text), ("json", LogFormat::Json)];
    config.log = s.word(reader, "log", &formats).unwrap_or(config.log);
    if let Some((level, at)) = s.text(reader, "log_level", LEVEL) {
        // A list of levels for parts of the program ends each in a level ("info,handfast::net=debug").
        let level_of = |part: &str| part.rsplit('=').next().unwrap_or(part).trim().to_string();
        if let Some(wrong) = level.split(',').map(level_of).find(|l| !LEVELS.contains(&l.as_str())) {
            reader.error(at, format!("log_level: {wrong:?} is no level"), LEVEL, "");
        }
        config.log_level = level;
    }
    let limit = s.number(reader, "half_open_limit", 1, 1_000_000);
    config.half_open_limit = limit
        .and_then(|n| usize::try_from(n).ok())
        .unwrap_or(config.half_open_limit);
    let per_address = s.number(reader, "half_open_per_address", 1, 1_000_000);
    config.half_open_per_address = per_address
        .and_then(|n| usize::try_from(n).ok())
        .unwrap_or(config.half_open_per_address);
    let cookies = [("auto", Cookies::Auto), ("always", Cookies::Always)];
    config.cookies = s.word(reader, "cookies", &cookies).unwrap_or(config.cookies);
    if let Some((tun, at)) = s.text(reader, "tun", "a device's name") {
        if tun.is_empty() || tun.len() > MAX_DEVICE_NAME || tun.contains(['/', ' ']) {
            reader.error(
                at,
                format!("{tun:?} cannot name a device"),
                "1 to 15 letters and digits",
                "",
            );
        }
        config.tun = tun;
    }
    config.mtu = s.number(reader, "mtu", 576, 65_535).map(port);
    config.offload = s.flag(reader, "offload").unwrap_or(config.offload);
    let prepared = s.number(reader, "prepared_keys", 0, 1024);
    config.prepared_keys = prepared
        .and_then(|n| usize::try_from(n).ok())
        .unwrap_or(config.prepared_keys);
    s.finish(reader);
    config
}
