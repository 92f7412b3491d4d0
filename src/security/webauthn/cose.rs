//! Public keys as authenticators hand them out: COSE (RFC 9053, RFC 8230).

use ring::signature::{
    ECDSA_P256_SHA256_ASN1, ED25519, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey,
};

use super::Fault;
use super::cbor::Map;

/// The algorithms that are offered, the preferred one first: ES256, `EdDSA`, RS256.
pub const ALGORITHMS: [i64; 3] = [ES256, EDDSA, RS256];

const ES256: i64 = -7;
const EDDSA: i64 = -8;
const RS256: i64 = -257;

// Labels: of each key, of one on a curve, of RSA.
const KEY_TYPE: i64 = 1;
const ALGORITHM: i64 = 3;
const CURVE: i64 = -1;
const X: i64 = -2;
const Y: i64 = -3;
const MODULUS: i64 = -1;
const EXPONENT: i64 = -2;

/// Key types and curves.
const OCTET_KEY_PAIR: i128 = 1;
const TWO_COORDINATES: i128 = 2;
const RSA: i128 = 3;
const P_256: i128 = 1;
const CURVE_ED25519: i128 = 6;

/// Length of a coordinate, in bytes.
const COORDINATE: usize = 32;
/// Shortest and longest modulus that signatures are checked with, in bytes.
const MODULUS_BYTES: std::ops::RangeInclusive<usize> = 256..=1024;

/// A key that signatures are checked with.
pub(super) enum PublicKey {
    /// The point, uncompressed.
    Es256(Vec<u8>),
    EdDsa(Vec<u8>),
    Rs256 {
        modulus: Vec<u8>,
        exponent: Vec<u8>,
    },
}

impl PublicKey {
    /// Reads a key of one of the [`ALGORITHMS`], whose type and curve have to be those of the algorithm.
    pub(super) fn parse(mut bytes: &[u8]) -> Result<Self, Fault> {
        let key = Map::take(&mut bytes)?;
        if !bytes.is_empty() {
            return Err(Fault::Malformed);
        }
        let kind = key.number(KEY_TYPE).ok_or(Fault::Key)?;
        let algorithm = key.number(ALGORITHM).ok_or(Fault::Key)?;
        let algorithm = ALGORITHMS.into_iter().find(|known| i128::from(*known) == algorithm);
        match (algorithm, kind) {
            (Some(ES256), TWO_COORDINATES) if key.number(CURVE) == Some(P_256) => {
                let (x, y) = (coordinate(&key, X)?, coordinate(&key, Y)?);
                Ok(Self::Es256([&[4], x, y].concat()))
            }
            (Some(EDDSA), OCTET_KEY_PAIR) if key.number(CURVE) == Some(CURVE_ED25519) => {
                Ok(Self::EdDsa(coordinate(&key, X)?.to_vec()))
            }
            (Some(RS256), RSA) => {
                let modulus = key.bytes(MODULUS).filter(|modulus| MODULUS_BYTES.contains(&modulus.len()));
                let exponent = key.bytes(EXPONENT).filter(|exponent| !exponent.is_empty());
                let (modulus, exponent) = modulus.zip(exponent).ok_or(Fault::Key)?;
                Ok(Self::Rs256 { modulus: modulus.to_vec(), exponent: exponent.to_vec() })
            }
            _ => Err(Fault::Key),
        }
    }

    /// Whether this is a signature of the message by the algorithm of the key, and by no other.
    pub(super) fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), Fault> {
        match self {
            Self::Es256(point) => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, point).verify(message, signature)
            }
            Self::EdDsa(key) => UnparsedPublicKey::new(&ED25519, key).verify(message, signature),
            Self::Rs256 { modulus, exponent } => RsaPublicKeyComponents { n: modulus, e: exponent }.verify(
                &RSA_PKCS1_2048_8192_SHA256,
                message,
                signature,
            ),
        }
        .map_err(|_| Fault::Signature)
    }
}

fn coordinate(key: &Map, label: i64) -> Result<&[u8], Fault> {
    key.bytes(label).filter(|bytes| bytes.len() == COORDINATE).ok_or(Fault::Key)
}
