//! What a store holds at one moment.

use serde::{Deserialize, Serialize};

use crate::StoreError;
use crate::delta::{ChildFacts, DownFacts, FORMAT_VERSION, IkeSaFacts};

/// All facts of one moment. Lists are sorted, so that equal facts give equal snapshots.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SaSnapshot {
    /// [`FORMAT_VERSION`].
    pub version: u16,
    /// IKE SAs, by their number.
    pub ike_sas: Vec<IkeSaEntry>,
    /// Connections that are not up, by name.
    pub connections_down: Vec<DownFacts>,
}

/// An IKE SA with its children.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct IkeSaEntry {
    /// The IKE SA itself.
    #[serde(flatten)]
    pub facts: IkeSaFacts,
    /// Its children, by their number.
    pub children: Vec<ChildFacts>,
}

impl SaSnapshot {
    /// Reads the JSON form.
    ///
    /// # Errors
    /// It is no snapshot, or one of another version.
    pub fn from_json(text: &str) -> Result<Self, StoreError> {
        #[derive(Deserialize)]
        struct Version {
            version: u16,
        }
        let unreadable = |e: serde_json::Error| StoreError::Format {
            line: e.line(),
            why: e.to_string(),
        };
        // The version first: another one may differ in all else.
        let Version { version } = serde_json::from_str(text).map_err(unreadable)?;
        if version != FORMAT_VERSION {
            return Err(StoreError::Version { found: version });
        }
        serde_json::from_str(text).map_err(unreadable)
    }
}

impl Default for SaSnapshot {
    fn default() -> Self {
        Self {
            version: FORMAT_VERSION,
            ike_sas: Vec::new(),
            connections_down: Vec::new(),
        }
    }
}
