//! The two access keys of the resource.

use std::fmt;
use std::sync::{PoisonError, RwLock};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::service::ids;

/// The keys of [`EmulatorBuilder::well_known_keys`](crate::EmulatorBuilder::well_known_keys). They are
/// readable, so that nobody takes them for secrets.
const WELL_KNOWN: [&[u8; 64]; 2] = [
    b"acs-emulator's well-known primary key: for tests only, no secret",
    b"acs-emulator's well-known secondary key: a test only, no secret!",
];

/// One of the two access keys of a resource. Both are always valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessKey {
    /// The key in [`Emulator::connection_string`](crate::Emulator::connection_string).
    Primary,
    /// The key that clients use while the primary key is regenerated.
    Secondary,
}

/// The current access keys.
pub(crate) struct Keys(RwLock<[Vec<u8>; 2]>);

impl Keys {
    pub(crate) fn new() -> Self {
        Self(RwLock::new([random(), random()]))
    }

    pub(crate) fn well_known() -> Self {
        Self(RwLock::new(WELL_KNOWN.map(|key| key.to_vec())))
    }

    /// The key in base64, as clients use it.
    pub(crate) fn text(&self, key: AccessKey) -> String {
        STANDARD.encode(&self.read()[index(key)])
    }

    /// Replaces a key. Requests that are signed with the old key are denied from then on.
    pub(crate) fn regenerate(&self, key: AccessKey) -> String {
        let new = random();
        let text = STANDARD.encode(&new);
        self.0.write().unwrap_or_else(PoisonError::into_inner)[index(key)] = new;
        text
    }

    pub(crate) fn both(&self) -> [Vec<u8>; 2] {
        self.read().clone()
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, [Vec<u8>; 2]> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keys")
    }
}

/// The connection string for clients.
pub(super) fn connection_string(endpoint: &str, key: &str) -> String {
    format!("endpoint={endpoint}/;accesskey={key}")
}

fn index(key: AccessKey) -> usize {
    match key {
        AccessKey::Primary => 0,
        AccessKey::Secondary => 1,
    }
}

fn random() -> Vec<u8> {
    [ids::new_id(), ids::new_id()]
        .iter()
        .flat_map(|id| *id.as_bytes())
        .collect()
}
