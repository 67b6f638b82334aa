//! What an unknown key was probably meant to be.

use std::cmp::Reverse;

/// What other daemons call the same thing. A key of ours that is spelt nearly so would mislead.
const FAMILIAR: [(&str, &str); 49] = [
    ("psk", "secret"),
    ("key", "secret"),
    ("password", "secret"),
    ("pre_shared_key", "secret"),
    ("preshared_key", "secret"),
    ("psk_file", "secret_file"),
    ("key_file", "secret_file"),
    ("left", "local"),
    ("address", "local"),
    ("local_address", "local"),
    ("local_addrs", "local"),
    ("right", "remote"),
    ("peer", "remote"),
    ("gateway", "remote"),
    ("remote_address", "remote"),
    ("remote_addrs", "remote"),
    ("id", "local_id"),
    ("leftid", "local_id"),
    ("peer_id", "remote_id"),
    ("rightid", "remote_id"),
    ("leftsubnet", "local_subnet"),
    ("local_ts", "local_subnet"),
    ("rightsubnet", "remote_subnet"),
    ("remote_ts", "remote_subnet"),
    ("auto", "start"),
    ("start_action", "start"),
    ("proposals", "ike"),
    ("ike_proposals", "ike"),
    ("esp_proposals", "esp"),
    ("phase2alg", "esp"),
    ("encap", "udp_encapsulation"),
    ("forceencaps", "udp_encapsulation"),
    ("dpd", "liveness"),
    ("dpd_delay", "liveness"),
    ("dpddelay", "liveness"),
    ("rekey_time", "rekey"),
    ("life_time", "lifetime"),
    ("life_bytes", "lifetime_bytes"),
    ("lifebytes", "lifetime_bytes"),
    ("life_packets", "lifetime_packets"),
    ("lifepackets", "lifetime_packets"),
    ("keylife", "lifetime"),
    ("keyexchange", "version"),
    ("ike_version", "version"),
    ("children", "child"),
    ("type", "mode"),
    ("port", "ike_port"),
    ("port_nat_t", "natt_port"),
    ("device", "tun"),
];

/// The known key that is meant by one that is not known: by another daemon's name, by its beginning, or by few letters
/// that differ.
pub(crate) fn nearest(key: &str, known: &[&'static str]) -> Option<&'static str> {
    let key = key.to_lowercase().replace(['-', '.', ' '], "_");
    let familiar = FAMILIAR.iter().find(|(name, _)| *name == key).map(|(_, ours)| *ours);
    if let Some(ours) = familiar.filter(|ours| known.contains(ours)) {
        return Some(ours);
    }
    // A third of the letters: of a short word little is left otherwise.
    let far = (key.len() / 3).clamp(1, 3);
    let near = known.iter().map(|k| (distance(&key, k), Reverse(k.len()), *k)).min();
    // Of equally near keys the longest shares most with what was written.
    if let Some((_, _, near)) = near.filter(|(d, ..)| *d <= far) {
        return Some(near);
    }
    let mut longer = known.iter().filter(|k| key.len() > 2 && k.starts_with(&key));
    longer.next().filter(|_| longer.next().is_none()).copied()
}

/// Levenshtein's distance.
pub(crate) fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = i;
        row[0] = i + 1;
        for (j, y) in b.bytes().enumerate() {
            let above = row[j + 1];
            row[j + 1] = (diagonal + usize::from(x != y)).min(above + 1).min(row[j] + 1);
            diagonal = above;
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [&str; 8] = [
        "secret",
        "esp",
        "ike",
        "mode",
        "remote",
        "remote_id",
        "half_open_limit",
        "start",
    ];

    #[test]
    fn what_is_meant_is_found() {
        for (written, meant) in [
            ("psk", "secret"),
            ("PSK", "secret"),
            ("pre-shared-key", "secret"),
            ("secert", "secret"),
            ("remotid", "remote_id"),
            ("Remote-ID", "remote_id"),
            ("half_open", "half_open_limit"),
        ] {
            assert_eq!(nearest(written, &KNOWN), Some(meant), "{written}");
        }
    }

    #[test]
    fn nothing_is_guessed() {
        for written in ["foo", "ts", "iek", "", "é", "colour", "auto_start_of_it"] {
            assert_eq!(nearest(written, &KNOWN), None, "{written}");
        }
        assert_eq!(nearest("left", &KNOWN), None, "only keys that are known here");
    }

    #[test]
    fn distances() {
        for (a, b, wanted) in [("", "abc", 3), ("abc", "abc", 0), ("kitten", "sitting", 3)] {
            assert_eq!(distance(a, b), wanted);
        }
    }
}
