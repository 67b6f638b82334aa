//! Words that may not stand where they would break an invariant of ARCHITECTURE.md.

use super::Problem;
use super::source::Source;

/// Clocks, sockets, files, threads and randomness: for the daemon, and given by it to what is below.
const WORLD: &[&str] = &[
    "Instant::now",
    "SystemTime",
    "UdpSocket",
    "TcpStream",
    "TcpListener",
    "UnixStream",
    "UnixListener",
    "UnixDatagram",
    "std::fs",
    "File::open",
    "std::thread",
    "std::process",
    "std::env",
    "getrandom",
    "OsRng",
    "ThreadRng",
    "SystemRandom",
    "tokio",
    "println!",
    "eprintln!",
];

/// One exception: ring neither seeds nor replaces its source of randomness.
fn is_ring_provider(path: &str) -> bool {
    path.strip_prefix("crates/crypto/src/")
        .is_some_and(|rest| rest.split(['/', '.', '_']).any(|part| part == "ring"))
}

/// The other exception: AWS-LC draws its keys and nonces itself, so that whatever it is called for may use randomness. Only
/// the files that are named after it call it.
const AWS_LC: &str = "aws_lc_rs";

fn is_aws_lc_file(path: &str) -> bool {
    ["crates/crypto/src/providers/", "crates/auth/src/certificate/sign/"]
        .iter()
        .any(|dir| {
            path.strip_prefix(dir)
                .is_some_and(|rest| rest.split(['/', '.']).next() == Some("aws_lc"))
        })
}

/// The files with `unsafe`: vector arithmetic, system calls that no crate has, and the GSS-API library.
pub(super) const UNSAFE: &[&str] = &[
    "crates/modp/src/ifma/kernel.rs",
    "crates/daemon/src/net/sys.rs",
    "crates/auth/src/kerberos/ffi.rs",
];

/// Nothing is left for later, in no file.
const UNFINISHED: &[&str] = &["todo!", "unimplemented!", "dbg!"];

/// A panic that the network or a person could cause.
const PANICS: &[&str] = &[".unwrap()", ".unwrap_err()", ".expect(\"", ".expect(&"];

pub fn check(sources: &[Source], problems: &mut Vec<Problem>) {
    for source in sources {
        let mut report = |lines: Vec<usize>, what: &str| {
            problems.extend(lines.into_iter().map(|line| Problem::at(&source.path, line, what)));
        };
        if source.crate_dir().is_some_and(|dir| dir != "crates/daemon") {
            for word in WORLD
                .iter()
                .filter(|word| !(**word == "SystemRandom" && is_ring_provider(&source.path)))
            {
                report(source.find(word), &format!("`{word}` below the daemon"));
            }
        }
        if source.crate_dir().is_some() && !is_aws_lc_file(&source.path) {
            report(
                source.find(AWS_LC),
                &format!("`{AWS_LC}`, which has randomness of its own, in another file than aws_lc.rs"),
            );
        }
        if source.crate_dir().is_some() {
            for word in PANICS {
                report(source.find(word), &format!("`{word}` outside tests"));
            }
        }
        if !UNSAFE.contains(&source.path.as_str()) && !source.path.starts_with("xtask/") {
            report(
                source.find("unsafe"),
                &format!("`unsafe` here; it is for {}", UNSAFE.join(" and ")),
            );
        }
        for word in UNFINISHED {
            let lines = source
                .find_anywhere(word)
                .into_iter()
                .map(|at| source.line(at))
                .collect();
            report(lines, &format!("`{word}` is unfinished work"));
        }
        versions(source, problems);
    }
}

/// `engine::v1` and `engine::v2` do not import each other; what both need is composed from outside of them.
fn versions(source: &Source, problems: &mut Vec<Problem>) {
    let Some(rest) = source.path.strip_prefix("crates/engine/src/") else {
        return;
    };
    for (own, other) in [("v1", "v2"), ("v2", "v1")] {
        if rest != format!("{own}.rs") && !rest.starts_with(&format!("{own}/")) {
            continue;
        }
        for at in source.find_anywhere(other) {
            // `handfast_wire::v2` is vocabulary, not behaviour.
            let before = source.code[..at]
                .rsplit([' ', '\n', '(', '<', '&', ',', '{'])
                .next()
                .unwrap_or_default();
            if !before.starts_with("handfast_wire::") && !before.starts_with("handfast_crypto::") {
                problems.push(Problem::at(
                    &source.path,
                    source.line(at),
                    format!("engine::{own} uses engine::{other}"),
                ));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::Tree;

    fn problems(path: &str, text: &str) -> Vec<String> {
        let mut problems = Vec::new();
        check(&Source::all(&Tree::of(&[(path, text)])), &mut problems);
        problems.into_iter().map(|p| p.what).collect()
    }

    #[test]
    fn the_world_is_the_daemons() {
        for word in WORLD {
            let text = format!("fn f() {{ let _ = {word}; }}\n");
            assert_eq!(problems("crates/engine/src/lib.rs", &text).len(), 1, "{word}");
            assert_eq!(problems("crates/daemon/src/main.rs", &text).len(), 0, "{word}");
            let test = format!("#[cfg(test)]\nmod tests {{ {text} }}\n");
            assert_eq!(problems("crates/engine/src/lib.rs", &test).len(), 0, "{word}");
        }
    }

    #[test]
    fn ring_has_its_own_randomness() {
        let text = "use ring::rand::SystemRandom;";
        assert_eq!(problems("crates/crypto/src/ring.rs", text).len(), 0);
        assert_eq!(problems("crates/crypto/src/ring/ecdh.rs", text).len(), 0);
        assert_eq!(problems("crates/crypto/src/string.rs", text).len(), 1);
        assert_eq!(problems("crates/crypto/src/ring.rs", "use rand::OsRng;").len(), 1);
    }

    #[test]
    fn aws_lc_too_in_the_files_of_its_name() {
        let text = "use aws_lc_rs::agreement::PrivateKey;";
        for (path, problem) in [
            ("crates/crypto/src/providers/aws_lc.rs", 0),
            ("crates/crypto/src/providers/aws_lc/aead.rs", 0),
            ("crates/auth/src/certificate/sign/aws_lc.rs", 0),
            ("crates/crypto/src/providers/aws_lc_tables.rs", 1),
            ("crates/crypto/src/aws_lc.rs", 1),
            ("crates/auth/src/certificate/sign.rs", 1),
            ("crates/engine/src/aws_lc.rs", 1),
            ("crates/daemon/src/run.rs", 1),
            ("benches/benches/dh.rs", 0),
        ] {
            assert_eq!(problems(path, text).len(), problem, "{path}");
        }
        // That says nothing of other sources.
        let other = "use rand::OsRng;";
        assert_eq!(problems("crates/crypto/src/providers/aws_lc.rs", other).len(), 1);
    }

    #[test]
    fn panics_unsafe_and_unfinished_work_are_found() {
        let lib = "crates/daemon/src/lib.rs";
        assert_eq!(problems(lib, "fn f() { x.unwrap(); }").len(), 1);
        assert_eq!(problems(lib, "fn f() { x.expect(\"y\"); }").len(), 1);
        assert_eq!(
            problems(lib, "fn f() { parser.expect(Token::Dot); x.unwrap_or(1); }").len(),
            0
        );
        assert_eq!(problems(lib, "unsafe { f() }").len(), 1);
        assert_eq!(problems("crates/daemon/src/net/sys.rs", "unsafe { f() }").len(), 0);
        assert_eq!(problems("crates/auth/src/kerberos/ffi.rs", "unsafe { f() }").len(), 0);
        assert_eq!(
            problems("crates/auth/src/kerberos/library.rs", "unsafe { f() }").len(),
            1
        );
        assert_eq!(problems("crates/modp/src/ifma/kernel.rs", "unsafe { f() }").len(), 0);
        assert_eq!(problems("crates/modp/src/ifma.rs", "unsafe { f() }").len(), 1);
        assert_eq!(problems(lib, "#![forbid(unsafe_code)]").len(), 0);
        assert_eq!(problems("tests/tests/x.rs", "fn f() { todo!() }").len(), 1);
        assert_eq!(problems("tests/tests/x.rs", "fn f() { x.unwrap() }").len(), 0);
    }

    #[test]
    fn the_versions_do_not_know_each_other() {
        assert_eq!(
            problems("crates/engine/src/v1/main.rs", "use crate::v2::state::X;").len(),
            1
        );
        assert_eq!(problems("crates/engine/src/v2.rs", "use super::v1;").len(), 1);
        assert_eq!(
            problems("crates/engine/src/v2/auth.rs", "use handfast_wire::v1::X;").len(),
            0
        );
        assert_eq!(problems("crates/engine/src/v2/auth.rs", "use crate::v2::X;").len(), 0);
        assert_eq!(problems("crates/engine/src/lib.rs", "mod v1; mod v2;").len(), 0);
    }
}
