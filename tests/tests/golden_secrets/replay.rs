//! Walks through a recording and computes what its daemons computed.

use std::collections::HashMap;

use handfast_auth::credential::Credential;
use handfast_auth::v2::{ProofContext, prove};
use handfast_crypto::legacy_provider;
use handfast_crypto::provider::Protect;
use handfast_crypto::schedule::v2::{child_keys, prf_plus, skeyseed, skeyseed_rekey};
use handfast_crypto::secret::Secret;
use handfast_tests::golden::Exchange;
use handfast_wire::header::{ExchangeType, HEADER_LEN, Spi};
use handfast_wire::numbers::{AuthMethod, Protocol};
use handfast_wire::v2::Message;

use super::payloads::{Found, Offer, find};
use super::sa::{IkeSa, Init, open, protect};

pub enum Outcome {
    /// This suite is not implemented.
    Left(String),
    /// All that was computed, with the recording's names and in its order.
    Done {
        computed: Vec<(&'static str, Vec<u8>)>,
        tally: Tally,
        #[allow(dead_code)]
        signed: Vec<Signed>,
    },
}

/// An AUTH payload that is no shared key's; golden_certificates looks at it.
#[allow(dead_code)]
#[derive(Clone, Debug)]
pub struct Signed {
    /// Whether the responder sent it.
    pub response: bool,
    /// RestOfIDPayload.
    pub id: Vec<u8>,
    /// The CERT payloads that came with it.
    pub certificates: Vec<Vec<u8>>,
    /// What it is made over.
    pub octets: Vec<u8>,
    pub method: u8,
    pub data: Vec<u8>,
}

/// How much of each kind was recomputed or opened; fragments count one by one.
#[derive(Clone, Copy, Default, Debug)]
pub struct Tally {
    pub ike_sas: usize,
    pub protected: usize,
    pub shared_key_auths: usize,
    pub children: usize,
    pub esp: usize,
}

struct Replay<'a> {
    exchange: &'a Exchange,
    computed: Vec<(&'static str, Vec<u8>)>,
    tally: Tally,
    sas: Vec<IkeSa>,
    init_requests: HashMap<Spi, (Vec<u8>, Found)>,
    requests: HashMap<(Spi, bool, u32), Found>,
    esp: HashMap<u32, Box<dyn Protect>>,
    left: Option<String>,
    signed: Vec<Signed>,
}

/// Replays one recording.
pub fn replay(exchange: &Exchange) -> Outcome {
    let mut replay = Replay {
        exchange,
        computed: Vec::new(),
        tally: Tally::default(),
        sas: Vec::new(),
        init_requests: HashMap::new(),
        requests: HashMap::new(),
        esp: HashMap::new(),
        left: None,
        signed: Vec::new(),
    };
    for captured in &exchange.messages {
        let message = Message::parse(&captured.bytes).unwrap();
        if message.header.exchange == ExchangeType::IKE_SA_INIT {
            replay.ike_sa_init(&message);
        } else {
            replay.protected(&message);
        }
        if let Some(suite) = replay.left {
            return Outcome::Left(suite);
        }
    }
    for packet in &exchange.esp {
        let key = replay.esp.get(&packet.spi()).expect("ESP packet of no child SA");
        let plain = open(&**key, &packet.bytes, 8);
        let [.., padding, next_header] = plain[..] else {
            panic!("ESP trailer")
        };
        assert_eq!(next_header, 4, "IPv4 in the tunnel");
        let packet = &plain[..plain.len() - 2 - usize::from(padding)];
        assert_eq!(usize::from(u16::from_be_bytes([packet[2], packet[3]])), packet.len());
        replay.tally.esp += 1;
    }
    Outcome::Done {
        computed: replay.computed,
        tally: replay.tally,
        signed: replay.signed,
    }
}

impl Replay<'_> {
    fn push(&mut self, name: &'static str, value: &[u8]) {
        self.computed.push((name, value.to_vec()));
    }

    /// A value that cannot be computed: the next of its name in the recording.
    fn given(&mut self, name: &'static str) -> Secret {
        let used = self.computed.iter().filter(|(n, _)| *n == name).count();
        let value = self.exchange.dumps(name).nth(used);
        let value = Secret::from(value.unwrap_or_else(|| panic!("{}: no more of {name}", self.exchange.name)));
        self.push(name, value.as_bytes());
        value
    }

    fn ike_sa_init(&mut self, message: &Message<'_>) {
        let header = message.header;
        let found = find(header.next_payload, &message.bytes[HEADER_LEN..]);
        if !header.flags.is_response() {
            // Again with a cookie or another group: the last one counts (RFC 7296 section 2.6).
            self.init_requests.insert(header.spi_i, (message.bytes.to_vec(), found));
            return;
        }
        let ([choice], Some(nr)) = (&found.proposals[..], found.nonce.clone()) else {
            return;
        };
        // A scanner's half-open SA, which the recording daemon knows nothing of.
        let of_this = |table: &serde_json::Map<String, serde_json::Value>| table["ispi"] == header.spi_i.to_string();
        if !self.exchange.secrets.iter().any(of_this) {
            return;
        }
        if legacy_provider().prf(choice.prf.unwrap()).is_none() || protect(choice).is_none() {
            self.left = Some(choice.name());
            return;
        }
        let (request, asked) = self.init_requests[&header.spi_i].clone();
        let init = Init {
            request,
            response: message.bytes.to_vec(),
            ni: asked.nonce.unwrap(),
            nr,
        };
        let shared = self.given("shared Diffie Hellman secret");
        let group = choice.group.unwrap();
        let agreement = legacy_provider().group(group);
        let agreement = agreement.unwrap_or_else(|| panic!("{group} is not implemented"));
        assert_eq!(shared.len(), agreement.shared_len());
        let prf = legacy_provider().prf(choice.prf.unwrap()).unwrap();
        let seed = skeyseed(prf, &init.ni, &init.nr, &shared);
        self.add(choice, &seed, init, header.spi_i, header.spi_r);
    }

    fn add(&mut self, choice: &Offer, seed: &Secret, init: Init, spi_i: Spi, spi_r: Spi) {
        let sa = IkeSa::new(choice, seed, init, spi_i, spi_r);
        let keys = sa.keys.clone();
        self.push("SKEYSEED", seed.as_bytes());
        for (name, key) in [
            ("Sk_d secret", keys.sk_d),
            ("Sk_ai secret", keys.sk_ai),
            ("Sk_ar secret", keys.sk_ar),
            ("Sk_ei secret", keys.sk_ei),
            ("Sk_er secret", keys.sk_er),
            ("Sk_pi secret", keys.sk_pi),
            ("Sk_pr secret", keys.sk_pr),
        ] {
            if !key.is_empty() {
                self.push(name, key.as_bytes());
            }
        }
        self.tally.ike_sas += 1;
        self.sas.push(sa);
    }

    fn protected(&mut self, message: &Message<'_>) {
        let header = message.header;
        let index = self
            .sas
            .iter()
            .position(|sa| sa.is_of(&header))
            .expect("message of no SA");
        let opened = self.sas[index].open(message);
        self.tally.protected += 1;
        let Some((first, inner)) = opened else { return };
        let found = find(first, &inner);
        let initiator = header.flags.is_initiator();
        match (header.exchange, header.flags.is_response()) {
            (ExchangeType::IKE_AUTH, response) => self.ike_auth(index, response, &found),
            (ExchangeType::CREATE_CHILD_SA, false) => {
                self.requests
                    .insert((header.spi_i, initiator, header.message_id), found);
            }
            (ExchangeType::CREATE_CHILD_SA, true) => {
                let request = self.requests.remove(&(header.spi_i, !initiator, header.message_id));
                self.create_child_sa(index, &request.unwrap(), &found);
            }
            _ => {}
        }
    }

    fn ike_auth(&mut self, index: usize, response: bool, found: &Found) {
        let sa = &mut self.sas[index];
        if let Some(id) = &found.id_i {
            sa.id_i.clone_from(id);
        }
        if let Some(id) = found.id_r.as_ref().filter(|_| response) {
            sa.id_r.clone_from(id);
        }
        if let Some(offer) = found.proposals.first().filter(|_| !response) {
            sa.child_spi.clone_from(&offer.spi);
        }
        if let Some((method, data)) = &found.auth {
            self.auth(index, response, *method, data, &found.certificates);
        }
        if let Some(choice) = found.proposals.first().filter(|_| response) {
            if self.exchange.dumps("PPK").next().is_some() {
                self.mix_ppk(index);
            }
            let sa = &self.sas[index];
            let (ni, nr, spi) = (sa.init.ni.clone(), sa.init.nr.clone(), sa.child_spi.clone());
            self.child(index, choice, &spi, None, &ni, &nr);
        }
    }

    /// AUTH of whoever sent this message (RFC 7296 section 2.15).
    fn auth(&mut self, index: usize, response: bool, method: u8, data: &[u8], certificates: &[Vec<u8>]) {
        let sa = &self.sas[index];
        let (prf, init) = (sa.prf, sa.init.clone());
        let (mut sk_p, id, message, nonce) = if response {
            (sa.keys.sk_pr.clone(), sa.id_r.clone(), init.response, init.ni)
        } else {
            (sa.keys.sk_pi.clone(), sa.id_i.clone(), init.request, init.nr)
        };
        if self.exchange.dumps("PPK").next().is_some() {
            sk_p = with_ppk(prf, &self.given("PPK"), &sk_p);
        }
        let maced_id = prf.compute(sk_p.as_bytes(), &[&id]);
        self.push("IDx'", &id);
        self.push("SK_p", sk_p.as_bytes());
        let octets = [&message, &nonce, maced_id.as_bytes()].concat();
        self.push("octets = message + nonce + prf(Sk_px, IDx')", &octets);
        if method != AuthMethod::SHARED_KEY.0 {
            self.signed.push(Signed {
                response,
                id,
                certificates: certificates.to_vec(),
                octets,
                method,
                data: data.to_vec(),
            });
            return;
        }
        let secret = self.given("secret");
        let keypad = prf.compute(secret.as_bytes(), &[b"Key Pad for IKEv2"]);
        self.push("prf(secret, keypad)", keypad.as_bytes());
        let context = ProofContext {
            prf,
            sk_p: &sk_p,
            first_message: &message,
            other_nonce: &nonce,
            id_body: &id,
        };
        let proof = prove(&Credential::Psk(secret), &context).unwrap();
        assert_eq!((proof.method, &proof.data[..]), (method, data), "AUTH on the wire");
        self.push("AUTH = prf(prf(secret, keypad), octets)", &proof.data);
        self.tally.shared_key_auths += 1;
    }

    /// RFC 8784 section 3: the postquantum key goes into SK_d, SK_pi and SK_pr.
    fn mix_ppk(&mut self, index: usize) {
        let ppk = self.given("derive keys using PPK");
        let (prf, keys) = (self.sas[index].prf, &mut self.sas[index].keys);
        for key in [&mut keys.sk_d, &mut keys.sk_pi, &mut keys.sk_pr] {
            *key = with_ppk(prf, &ppk, key);
        }
        let keys = keys.clone();
        self.push("Sk_d secret", keys.sk_d.as_bytes());
        self.push("Sk_pi secret", keys.sk_pi.as_bytes());
        self.push("Sk_pr secret", keys.sk_pr.as_bytes());
    }

    fn create_child_sa(&mut self, index: usize, request: &Found, response: &Found) {
        let (Some(choice), Some(ni), Some(nr)) = (response.proposals.first(), &request.nonce, &response.nonce) else {
            return;
        };
        let spi = &request.proposals[0].spi;
        if choice.protocol == Protocol::ESP {
            let shared = response.has_ke.then(|| self.given("DH secret"));
            self.child(index, choice, spi, shared.as_ref(), ni, nr);
            return;
        }
        let shared = self.given("shared Diffie Hellman secret");
        let old = &self.sas[index];
        let seed = skeyseed_rekey(old.prf, &old.keys.sk_d, &shared, ni, nr);
        let init = Init {
            ni: ni.clone(),
            nr: nr.clone(),
            ..Init::default()
        };
        let (spi_i, spi_r) = (
            Spi(spi[..].try_into().unwrap()),
            Spi(choice.spi[..].try_into().unwrap()),
        );
        self.add(choice, &seed, init, spi_i, spi_r);
    }

    fn child(&mut self, index: usize, choice: &Offer, spi_i: &[u8], shared: Option<&Secret>, ni: &[u8], nr: &[u8]) {
        let algorithm = protect(choice).unwrap_or_else(|| panic!("{}: {}", self.exchange.name, choice.name()));
        let sa = &self.sas[index];
        let keys = child_keys(sa.prf, algorithm, &sa.keys.sk_d, shared, ni, nr).unwrap();
        self.push("seed", &[shared.map_or(&[][..], Secret::as_bytes), ni, nr].concat());
        self.push("encryption initiator key", keys.encr_i.as_bytes());
        self.push("encryption responder key", keys.encr_r.as_bytes());
        if !keys.integ_i.is_empty() {
            self.push("integrity initiator key", keys.integ_i.as_bytes());
            self.push("integrity responder key", keys.integ_r.as_bytes());
        }
        // Whoever chose an SPI receives with it, so the other side's keys go with it.
        for (spi, encr, integ) in [
            (spi_i, &keys.encr_r, &keys.integ_r),
            (&choice.spi[..], &keys.encr_i, &keys.integ_i),
        ] {
            let key = algorithm.key(encr.as_bytes(), integ.as_bytes()).unwrap();
            self.esp.insert(u32::from_be_bytes(spi.try_into().unwrap()), key);
        }
        self.tally.children += 1;
    }
}

fn with_ppk(prf: &dyn handfast_crypto::provider::PrfAlgorithm, ppk: &Secret, key: &Secret) -> Secret {
    let mut out = vec![0; prf.key_len()];
    prf_plus(prf, ppk.as_bytes(), &[key.as_bytes()], &mut out).unwrap();
    Secret::new(out)
}
