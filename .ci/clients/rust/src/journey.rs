//! What the journeys have in common.

pub const NAME: &str = "journey_rust";

/// The user's first password and the one after the change, under every
/// vendor's rule.
pub const FIRST: &str = "First-Passw0rd";
pub const SECOND: &str = "Second-Passw0rd";

pub type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

/// The body of a failure, which must have this status.
macro_rules! failure {
    ($status:literal, $call:expr) => {
        match $call {
            Err(Error::ResponseError(response)) if response.status == $status => response.content,
            other => return Err(format!("{other:?} instead of {}", $status).into()),
        }
    };
}

pub(crate) use failure;
