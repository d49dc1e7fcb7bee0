//! A trust store for Java in the format PKCS #12, without a password, as recent versions of Java ship
//! their own.

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const OCTET_STRING: u8 = 0x04;
const OBJECT_ID: u8 = 0x06;
const BMP_STRING: u8 = 0x1e;
const CONTEXT_0: u8 = 0xa0;

/// `INTEGER 3`, the version of the format.
const VERSION: [u8; 3] = [0x02, 0x01, 0x03];
/// 1.2.840.113549.1.7.1
const DATA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x01];
/// 1.2.840.113549.1.12.10.1.3
const CERT_BAG: &[u8] = &[
    0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x0c, 0x0a, 0x01, 0x03,
];
/// 1.2.840.113549.1.9.22.1
const X509_CERTIFICATE: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x16, 0x01];
/// 1.2.840.113549.1.9.20
const FRIENDLY_NAME: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x14];
/// 2.16.840.1.113894.746875.1.1: with this attribute, Java trusts the certificate.
const TRUSTED_KEY_USAGE: &[u8] = &[
    0x60, 0x86, 0x48, 0x01, 0x86, 0xf9, 0x66, 0xad, 0xca, 0x7b, 0x01, 0x01,
];
/// 2.5.29.37.0
const ANY_USAGE: &[u8] = &[0x55, 0x1d, 0x25, 0x00];

/// A trust store with these certificates, which are in DER.
pub(super) fn trust_store<'a>(certificates: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let bags: Vec<u8> = certificates
        .into_iter()
        .enumerate()
        .flat_map(|(number, certificate)| bag(&format!("ca-{number}"), certificate))
        .collect();
    let contents = sequence(&[&data(&sequence(&[&bags]))]);
    sequence(&[&VERSION, &data(&contents)])
}

fn bag(name: &str, certificate: &[u8]) -> Vec<u8> {
    let certificate = sequence(&[
        &tagged(OBJECT_ID, X509_CERTIFICATE),
        &tagged(CONTEXT_0, &tagged(OCTET_STRING, certificate)),
    ]);
    let name: Vec<u8> = name.encode_utf16().flat_map(u16::to_be_bytes).collect();
    let attributes = [
        attribute(FRIENDLY_NAME, &tagged(BMP_STRING, &name)),
        attribute(TRUSTED_KEY_USAGE, &tagged(OBJECT_ID, ANY_USAGE)),
    ];
    sequence(&[
        &tagged(OBJECT_ID, CERT_BAG),
        &tagged(CONTEXT_0, &certificate),
        &tagged(SET, &attributes.concat()),
    ])
}

fn attribute(id: &[u8], value: &[u8]) -> Vec<u8> {
    sequence(&[&tagged(OBJECT_ID, id), &tagged(SET, value)])
}

/// Content of the type `data`.
fn data(content: &[u8]) -> Vec<u8> {
    sequence(&[
        &tagged(OBJECT_ID, DATA),
        &tagged(CONTEXT_0, &tagged(OCTET_STRING, content)),
    ])
}

fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    tagged(SEQUENCE, &parts.concat())
}

/// A value in DER: its tag, its length and its content.
fn tagged(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut value = vec![tag];
    let length = content.len().to_be_bytes();
    let significant = length.iter().position(|&byte| byte != 0);
    let length = &length[significant.unwrap_or(length.len() - 1)..];
    match length {
        [short] if *short < 0x80 => value.push(*short),
        long => {
            // At most 8 bytes.
            value.push(0x80 | u8::try_from(long.len()).unwrap_or_default());
            value.extend_from_slice(long);
        }
    }
    value.extend_from_slice(content);
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_encoded_in_the_shortest_form() {
        for (length, expected) in [
            (0, &[0x04, 0x00][..]),
            (127, &[0x04, 0x7f]),
            (128, &[0x04, 0x81, 0x80]),
            (256, &[0x04, 0x82, 0x01, 0x00]),
            (70_000, &[0x04, 0x83, 0x01, 0x11, 0x70]),
        ] {
            let value = tagged(OCTET_STRING, &vec![7; length]);
            assert_eq!(&value[..value.len() - length], expected, "{length}");
        }
    }

    #[test]
    fn a_store_is_one_sequence_that_contains_the_certificates() {
        let certificates = [vec![1; 500], vec![2; 90]];
        let store = trust_store(certificates.iter().map(Vec::as_slice));
        assert_eq!(store[..2], [SEQUENCE, 0x82]);
        let length = usize::from(u16::from_be_bytes([store[2], store[3]]));
        assert_eq!(store.len(), 4 + length);
        for certificate in &certificates {
            let found = store
                .windows(certificate.len())
                .filter(|part| part == certificate);
            assert_eq!(found.count(), 1);
        }
    }
}
