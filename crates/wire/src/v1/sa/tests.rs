//! Tests of the SA payload.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::numbers::v1::{AuthMethod, EncapsulationMode, EncryptionAlgorithm, Group, HashAlgorithm};
use crate::v1::{Attribute, AttributeDef};

/// ESP with an SPI and AES-CBC-128, odd reserved octets; then ISAKMP with none.
const BODY: &[u8] = &[
    0, 0, 0, 1, 0, 0, 0, 1, // DOI, situation
    2, 0x55, 0, 24, 1, 3, 4, 1, 0xaa, 0xbb, 0xcc, 0xdd, // proposal 1
    0, 0x66, 0, 12, 1, 12, 0x77, 0x88, 0x80, 6, 0, 128, // its transform
    0, 0, 0, 8, 2, 1, 0, 0, // proposal 2
];

/// A transform with these attributes.
fn transform(attribute_bytes: &[u8]) -> Transform<'_> {
    Transform {
        more: 0,
        reserved: 0,
        number: 1,
        id: 1,
        reserved2: [0; 2],
        attribute_bytes,
    }
}

#[test]
fn the_tree_is_read() {
    let sa = Sa::parse(BODY).unwrap();
    assert_eq!((sa.doi, sa.situation), (Doi::IPSEC, Situation::IDENTITY_ONLY));
    let proposals: Vec<_> = sa.proposals().map(Result::unwrap).collect();
    assert_eq!(proposals.len(), 2);
    assert_eq!((proposals[0].number, proposals[0].protocol), (1, Protocol::ESP));
    assert_eq!(proposals[0].spi, [0xaa, 0xbb, 0xcc, 0xdd]);
    let transforms: Vec<_> = proposals[0].transforms().map(Result::unwrap).collect();
    assert_eq!((transforms[0].number, transforms[0].id), (1, 12));
    assert_eq!((transforms[0].reserved, transforms[0].reserved2), (0x66, [0x77, 0x88]));
    assert_eq!(
        transforms[0].attributes().next().unwrap().unwrap(),
        Attribute::short(6, 128)
    );
    assert_eq!(transforms[0].ipsec().unwrap().key_length, Some(128));
    assert_eq!(proposals[1].transforms().count(), 0);
}

#[test]
fn encoding_the_tree_gives_the_octets() {
    let mut out = Vec::new();
    Sa::parse(BODY).unwrap().encode_body(&mut out);
    assert_eq!(out, BODY);
}

#[test]
fn what_cannot_be_read_is_named_and_kept() {
    for (change, reason) in [
        (Some((8, 0)), "octets after the last proposal"),
        (Some((8, 3)), "proposal neither last nor followed by one"),
        (Some((11, 7)), "proposal length below 8"),
        (Some((11, 200)), "proposal longer than the SA payload"),
        (Some((14, 17)), "SPI longer than the proposal"),
        (Some((32, 2)), "proposals end where one more is announced"),
        (Some((15, 0)), "octets after the last transform"),
        (Some((15, 2)), "fewer transforms than announced"),
        (Some((20, 3)), "fewer transforms than announced"),
        (Some((20, 9)), "transform neither last nor followed by one"),
        (Some((23, 7)), "transform length below 8"),
        (Some((23, 13)), "transform longer than the proposal"),
        (Some((28, 0)), "attribute longer than what holds it"),
        (None, "proposal truncated"),
    ] {
        let mut body = BODY.to_vec();
        match change {
            Some((at, octet)) => body[at] = octet,
            None => body.truncate(38),
        }
        let sa = Sa::parse(&body).unwrap();
        let first_error = || -> Result<(), ParseError> {
            for proposal in sa.proposals() {
                for transform in proposal?.transforms() {
                    transform?.attributes().try_for_each(|attribute| attribute.map(drop))?;
                }
            }
            Ok(())
        };
        assert_eq!(first_error().unwrap_err().reason, reason);
        let mut out = Vec::new();
        sa.encode_body(&mut out);
        assert_eq!(out, body, "{reason}");
    }
    assert_eq!(Sa::parse(&BODY[..7]).unwrap_err().reason, "SA payload truncated");
}

#[test]
fn labels_stand_before_the_proposals() {
    let mut body = vec![0, 0, 0, 1, 0, 0, 0, 6, 0, 0, 0, 9];
    body.extend([0, 1, 0, 0, 0xaa, 0, 0, 0]); // secrecy level: 1 octet
    body.extend([0, 9, 0, 0, 0xbb, 0x80, 0, 0]); // secrecy category: 9 bits
    body.extend([0, 0, 0, 0, 0, 0, 0, 0]); // integrity: none
    body.extend(&BODY[8..]);
    let sa = Sa::parse(&body).unwrap();
    assert_eq!((sa.labels.len(), sa.proposals().count()), (28, 2));
    let mut out = Vec::new();
    sa.encode_body(&mut out);
    assert_eq!(out, body);
    assert!(Sa::parse(&body[..30]).is_err());
    body[12] = 0xff;
    assert_eq!(Sa::parse(&body).unwrap_err().reason, "label longer than the SA payload");
}

#[test]
fn an_offer_is_built_and_one_of_it_chosen() {
    let suite = |number, encryption: u16| TransformDef {
        number,
        id: 1,
        attributes: vec![
            AttributeDef::short(1, encryption),
            AttributeDef::short(2, 2),
            AttributeDef::short(3, 1),
            AttributeDef::short(4, 14),
            AttributeDef::short(11, 1),
            AttributeDef::number(12, 28800),
        ],
    };
    let wanted = [ProposalDef {
        number: 1,
        protocol: Protocol::ISAKMP,
        spi: vec![],
        transforms: vec![suite(1, 7), suite(2, 5)],
    }];
    let body = encode(&wanted);
    let sa = Sa::parse(&body).unwrap();
    let proposal = sa.proposals().next().unwrap().unwrap();
    let transforms: Vec<_> = proposal.transforms().map(Result::unwrap).collect();
    let defs: Vec<_> = transforms.iter().map(|t| t.to_def().unwrap()).collect();
    assert_eq!(defs, wanted[0].transforms);
    let read = transforms[0].oakley().unwrap();
    assert_eq!(read.encryption, Some(EncryptionAlgorithm::AES_CBC));
    assert_eq!(
        (read.hash, read.auth),
        (Some(HashAlgorithm::SHA1), Some(AuthMethod::PRE_SHARED_KEY))
    );
    assert_eq!(
        (read.group, read.lifetimes.seconds),
        (Some(Group::MODP_2048), Some(28800))
    );
    assert_eq!((read.unknown, read.explicit_group), (None, false));

    let answer = encode_chosen(&sa, &[(proposal, transforms[0], &[1, 2])]);
    let chosen = Sa::parse(&answer).unwrap().proposals().next().unwrap().unwrap();
    assert_eq!((chosen.more, chosen.spi, chosen.transform_count), (0, &[1, 2][..], 1));
    let one: Vec<_> = chosen.transforms().map(Result::unwrap).collect();
    assert_eq!(
        one,
        [Transform {
            more: 0,
            ..transforms[0]
        }]
    );
}

#[test]
fn phase_1_attributes_are_read_strictly() {
    let twice = "attribute given twice with different values";
    for (bytes, reason) in [
        (&[0x80, 1, 0, 7, 0x80, 1, 0, 5][..], twice),
        (&[0x80, 14, 0, 128, 0x80, 14, 1, 0], twice),
        (&[0, 1, 0, 2, 0, 7], "basic attribute in variable format"),
        (&[0x80, 11, 0, 1], "life type without life duration"),
        (&[0x80, 12, 0, 1], "life duration without life type"),
        (&[0xc0, 0, 0, 1], "variable attribute in basic format"),
        (&[0x40, 0, 0, 1, 7, 0x40, 0, 0, 1, 8], twice),
        (&[0x80, 1, 0, 7, 0x80], "attribute truncated"),
    ] {
        assert_eq!(transform(bytes).oakley().unwrap_err().reason, reason);
    }
    let read = transform(&[
        0x80, 1, 0, 7, 0x80, 1, 0, 7, 0x80, 99, 0, 1, 0, 6, 0, 1, 9, 0x40, 0, 0, 1, 7,
    ]);
    let read = read.oakley().unwrap();
    assert_eq!(read.encryption, Some(EncryptionAlgorithm::AES_CBC));
    assert_eq!((read.unknown, read.explicit_group), (Some(99), true));
    assert_eq!(read.gss_identity, Some(&[7][..]));
}

#[test]
fn phase_2_attributes_are_read_strictly() {
    let read = transform(&[
        0x80, 4, 0xf0, 3, 0x80, 5, 0, 2, 0x80, 3, 0, 5, 0x80, 11, 0, 1, 0x80, 10, 0, 1,
    ]);
    let read = read.ipsec().unwrap();
    assert_eq!(read.mode, Some(EncapsulationMode::UDP_TUNNEL_DRAFT));
    assert_eq!((read.group, read.extended_sequence), (Some(Group::MODP_1536), Some(1)));
    assert_eq!(read.unknown, Some(10));
    for bytes in [
        &[0x80, 4, 0, 1, 0x80, 4, 0, 2][..],
        &[0, 4, 0, 2, 0, 1],
        &[0x80, 2, 0, 9],
        &[0x80, 1, 0, 9, 0x80, 2, 0, 9],
    ] {
        assert!(transform(bytes).ipsec().is_err(), "{bytes:?}");
    }
}
