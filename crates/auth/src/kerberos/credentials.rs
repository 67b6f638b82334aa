//! What we prove ourselves with.

use std::sync::Arc;

use super::mechanism::{Flags, Mechanism};
use super::pattern::PeerPrincipals;
use super::principal::{Principal, Target};

/// Where one connection's credentials are. What is not set is what the library takes by itself.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Credentials {
    /// Who we are. As initiator without it, the first principal of the keytab, or that of the credential cache; as
    /// acceptor, any that the keytab has a key of.
    pub principal: Option<Principal>,
    /// A keytab by its path, or by a name that the library knows ("FILE:/etc/krb5.keytab"). Acceptors open tickets with
    /// it, initiators get theirs with it. Read each time, so that a new one is used at once.
    pub keytab: Option<String>,
    /// The initiator's credential cache ("FILE:/run/x"). Without it, and with a keytab, tickets are kept in memory, those
    /// of each principal and keytab apart.
    pub ccache: Option<String>,
    /// The acceptor's replay cache ("dfl:", "file2:/path").
    pub rcache: Option<String>,
}

impl Credentials {
    /// The cache that an initiator uses: the one that is set, or one in memory.
    pub fn initiator_cache(&self) -> Option<String> {
        self.ccache.clone().or_else(|| {
            let keytab = self.keytab.as_ref()?;
            let principal = self.principal.as_ref().map(ToString::to_string).unwrap_or_default();
            Some(format!("MEMORY:handfast {principal} {keytab}"))
        })
    }

    /// Where they are, for people: "in the keytab /etc/krb5.keytab, for host/gw.example.net".
    pub fn place(&self) -> String {
        let mut text = match (&self.keytab, &self.ccache) {
            (Some(keytab), Some(ccache)) => format!("in the keytab {keytab} and the credential cache {ccache}"),
            (Some(keytab), None) => format!("in the keytab {keytab}"),
            (None, Some(ccache)) => format!("in the credential cache {ccache}"),
            (None, None) => "in the system's default places".to_owned(),
        };
        if let Some(principal) = &self.principal {
            text = format!("{text}, for {principal}");
        }
        text
    }
}

/// Kerberos as one connection has it.
#[derive(Clone, Debug)]
pub struct LocalKerberos {
    /// Makes the contexts.
    pub mechanism: Arc<dyn Mechanism>,
    /// Ours.
    pub credentials: Credentials,
    /// Whom we ask a ticket for as initiator: from the configuration, never from what the peer says of itself.
    pub target: Option<Target>,
    /// Whom we accept, in either role.
    pub peers: PeerPrincipals,
    /// What we ask for as initiator: [`Flags::WANTED`].
    pub flags: Flags,
}
