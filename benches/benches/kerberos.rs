//! What Kerberos costs: main mode and a first quick mode of both ends in one thread, by preshared key, by certificate and by
//! Kerberos, in turns of one run; and how much of Kerberos's is spent in the GSS-API library and in asking the KDC. The
//! ratio is to what cannot be avoided: the library's own time in the same handshake, and main mode's cryptography.
//!
//! It brings up a private MIT KDC (Debian: krb5-kdc, krb5-admin-server), and says so where there is none.
#![allow(missing_docs)]

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use handfast_auth::certificate::Curve;
use handfast_auth::certificate::generate::KeyKind;
use handfast_auth::kerberos::library::System;
use handfast_auth::kerberos::{
    Context, Credentials, Facts, Flags, GssError, LocalKerberos, Mechanism, PeerPrincipals, Principal, Ready, Role,
    Step, Target,
};
use handfast_benches::ends::{Ends, IKE_V1};
use handfast_benches::ratio::{trial, turns, wanted};
use handfast_benches::unavoidable_v1::Unavoidable;
use handfast_engine::policy::{Authentication, Kerberos, Policy, Versions};
use handfast_sim::pki::Ca;
use handfast_sim::policies::{connection, parsed, policy};
use handfast_tests::kerberos::Kdc;
use handfast_wire::v1::gss::IdentityEncoding;

const HOSTS: [&str; 2] = ["a.ike.test", "b.ike.test"];
const ROUNDS: usize = 300;
/// Says that the realm is up, and where.
const REALM: &str = "HANDFAST_BENCH_REALM";

/// The system's library, and how long it was at work.
#[derive(Debug)]
struct Timed(Arc<AtomicU64>);

#[derive(Debug)]
struct TimedContext(Box<dyn Context>, Arc<AtomicU64>);

fn timed<T>(total: &AtomicU64, work: impl FnOnce() -> T) -> T {
    let started = Instant::now();
    let done = work();
    let took = u64::try_from(started.elapsed().as_nanos()).unwrap_or(u64::MAX);
    total.fetch_add(took, Ordering::Relaxed);
    done
}

impl Timed {
    fn context(&self, made: Result<Box<dyn Context>, GssError>) -> Result<Box<dyn Context>, GssError> {
        made.map(|context| Box::new(TimedContext(context, self.0.clone())) as Box<dyn Context>)
    }
}

impl Mechanism for Timed {
    fn ready(&self, own: &Credentials, role: Role) -> Result<Ready, GssError> {
        timed(&self.0, || System.ready(own, role))
    }

    fn initiate(&self, own: &Credentials, target: &Target, flags: Flags) -> Result<Box<dyn Context>, GssError> {
        self.context(timed(&self.0, || System.initiate(own, target, flags)))
    }

    fn accept(&self, own: &Credentials) -> Result<Box<dyn Context>, GssError> {
        self.context(timed(&self.0, || System.accept(own)))
    }

    fn forget(&self, own: &Credentials) {
        System.forget(own);
    }
}

impl Context for TimedContext {
    fn step(&mut self, token: Option<&[u8]>) -> Result<Step, GssError> {
        timed(&self.1, || self.0.step(token))
    }

    fn facts(&self) -> Result<Facts, GssError> {
        self.0.facts()
    }

    fn wrap(&mut self, data: &[u8]) -> Result<Vec<u8>, GssError> {
        timed(&self.1, || self.0.wrap(data))
    }

    fn unwrap(&mut self, token: &[u8]) -> Result<Vec<u8>, GssError> {
        timed(&self.1, || self.0.unwrap(token))
    }
}

fn policies(auth: impl Fn(usize) -> Authentication) -> [Arc<Policy>; 2] {
    [0, 1].map(|i| {
        let mut connection = connection(i);
        connection.versions = Versions::One;
        connection.ike = vec![parsed(IKE_V1)];
        connection.auth = auth(i);
        Arc::new(policy(connection))
    })
}

fn credentials(dir: &Path, host: &str) -> Credentials {
    Credentials {
        principal: Some(principal(host)),
        keytab: Some(dir.join(format!("{host}.keytab")).display().to_string()),
        rcache: Some(format!("file2:{}", dir.join("rcache").display())),
        ..Credentials::default()
    }
}

fn principal(host: &str) -> Principal {
    let text = format!("host/{host}@IKE.TEST");
    text.parse().unwrap_or_else(|e| panic!("{text}: {e}"))
}

fn by_kerberos(dir: &Path, host: usize, gss: &Arc<AtomicU64>) -> Authentication {
    let (own, peer) = (principal(HOSTS[host]), principal(HOSTS[1 - host]));
    let local = LocalKerberos {
        mechanism: Arc::new(Timed(gss.clone())),
        credentials: credentials(dir, HOSTS[host]),
        peers: PeerPrincipals::only(&peer),
        target: Some(Target::Principal(peer)),
        flags: Flags::WANTED,
    };
    Authentication::kerberos(Arc::new(Kerberos {
        local: Arc::new(local),
        identity: own.to_string(),
        encoding: IdentityEncoding::Utf16Le,
        framing: None,
        hashed: None,
        fallback: false,
    }))
}

fn handshake(policies: &[Arc<Policy>; 2]) -> Duration {
    let mut ends = Ends::new(policies);
    let started = Instant::now();
    ends.handshake();
    let took = started.elapsed();
    assert_eq!(ends.up, 2, "the handshake failed");
    took
}

/// Lower quartile, median and upper quartile in microseconds.
fn quartiles(mut list: Vec<Duration>) -> [f64; 3] {
    list.sort_unstable();
    [1, 2, 3].map(|n| list[list.len() * n / 4].as_secs_f64() * 1e6)
}

fn print(name: &str, list: Vec<Duration>) {
    let [low, middle, high] = quartiles(list);
    println!("{name:42} {middle:9.1} us ({low:.1}-{high:.1})");
}

fn run(dir: &Path) {
    let ca = Ca::root("CN=Bench", KeyKind::Ec(Curve::P256));
    let gss = Arc::new(AtomicU64::new(0));
    let psk = policies(|i| connection(i).auth);
    let certificate = policies(|i| {
        let own = ca.peer(&connection(i).local_id, KeyKind::Ec(Curve::P256));
        Authentication::certificate(vec![own], ca.trusted())
    });
    let kerberos = policies(|i| by_kerberos(dir, i, &gss));
    let mut took: [Vec<Duration>; 6] = Default::default();
    let (rest, mut ratios) = (Unavoidable::of_ends(&psk), [Vec::new(), Vec::new()]);
    let in_library = || Duration::from_nanos(gss.swap(0, Ordering::Relaxed));
    handshake(&kerberos);
    let rounds = turns(ROUNDS);
    for _ in 0..rounds {
        took[0].push(handshake(&psk));
        took[1].push(handshake(&certificate));
        in_library();
        took[2].push(handshake(&kerberos));
        took[3].push(in_library());
        // Without tickets: the KDC is asked for both, that of the realm and that of the peer.
        System.forget(&credentials(dir, HOSTS[0]));
        took[4].push(handshake(&kerberos));
        took[5].push(in_library());
        let started = Instant::now();
        rest.phase_two(&rest.phase_one());
        let rest = started.elapsed();
        for (ratios, at) in ratios.iter_mut().zip([2, 4]) {
            let [whole, library] = [at, at + 1].map(|at: usize| took[at].last().copied().unwrap_or_default());
            ratios.push(whole.as_secs_f64() / (library + rest).as_secs_f64());
        }
    }
    if trial() {
        return println!("Testing kerberos\nSuccess");
    }
    let [psk, certificate, kept, kept_gss, fresh, fresh_gss] = took;
    println!("main mode and quick mode, {IKE_V1}, both ends, {rounds} rounds: median (quartiles)");
    print("preshared key", psk);
    print("certificate, ECDSA P-256", certificate);
    print("Kerberos, ticket kept", kept.clone());
    print("  of that in the GSS-API library", kept_gss);
    let kdc = fresh
        .iter()
        .zip(&kept)
        .map(|(fresh, kept)| fresh.saturating_sub(*kept))
        .collect();
    print("Kerberos, tickets fetched", fresh);
    print("  of that in the GSS-API library", fresh_gss);
    print("  more than with a ticket: the KDC", kdc);
    for (name, mut ratios) in ["ticket kept", "tickets fetched"].into_iter().zip(ratios) {
        ratios.sort_by(f64::total_cmp);
        let [low, middle, high] = [1, 2, 3].map(|n| ratios[ratios.len() * n / 4]);
        println!("handshake/main/kerberos, {name}: ratio to the unavoidable {middle:.2} ({low:.2} - {high:.2})");
    }
}

/// Why there can be no realm here.
fn missing() -> Option<&'static str> {
    let there = |name: &str| {
        ["/usr/sbin", "/sbin"]
            .iter()
            .any(|dir| Path::new(dir).join(name).exists())
    };
    if !there("krb5kdc") || !there("kadmin.local") {
        return Some("there is no KDC (Debian: apt install krb5-kdc krb5-admin-server)");
    }
    if handfast_auth::kerberos::library::Kerberos::load().is_err() {
        return Some("there is no library of MIT Kerberos (Debian: apt install libgssapi-krb5-2)");
    }
    None
}

fn main() {
    if let Some(dir) = std::env::var_os(REALM) {
        return run(Path::new(&dir));
    }
    if !wanted("handshake/main/kerberos") {
        return;
    }
    if let Some(why) = missing() {
        return println!("kerberos: skipped, as {why}");
    }
    // The library reads where its KDC is from the environment of its process.
    let kdc = Kdc::start(&HOSTS);
    let this = std::env::current_exe().unwrap_or_else(|e| panic!("this program: {e}"));
    let status = Command::new(this)
        .args(std::env::args_os().skip(1))
        .env("KRB5_CONFIG", kdc.krb5_conf_path())
        .env(REALM, kdc.dir())
        .status();
    assert!(status.is_ok_and(|status| status.success()), "the bench failed");
}
