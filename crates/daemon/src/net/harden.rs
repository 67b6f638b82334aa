//! The process keeps its memory, and the files it makes, to itself.

use nix::sys::stat::{Mode, umask};

use super::NetError;

/// Forbids core dumps and debugging by others (keys lie in memory), and makes new files owner-only.
///
/// Call it first in `handfast run`. Sets `PR_SET_DUMPABLE` 0, `RLIMIT_CORE` 0 and umask 077.
pub fn harden() -> Result<(), NetError> {
    use nix::sys::resource::{Resource, setrlimit};
    umask(Mode::from_bits_truncate(0o077));
    setrlimit(Resource::RLIMIT_CORE, 0, 0).map_err(|e| NetError::io("forbid core dumps", e.into()))?;
    #[cfg(any(target_os = "linux", target_os = "android"))]
    nix::sys::prctl::set_dumpable(false).map_err(|e| NetError::io("forbid core dumps", e.into()))?;
    Ok(())
}
