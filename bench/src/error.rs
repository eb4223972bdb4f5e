//! Why a run ended without figures.
//!
//! Nothing decides by what went wrong: an error is shown to the user, and that is all. So any error
//! will do, and those of the bench itself are texts that say what to do next.

use std::{
    fmt::{Debug, Display},
    path::Path,
    time::Duration,
};

pub(crate) type Error = Box<dyn std::error::Error + Send + Sync>;

pub(crate) type Result<T, E = Error> = std::result::Result<T, E>;

/// The error as the user sees it. Libraries' errors do not say who failed at what.
pub(crate) fn message(error: &Error) -> String {
    let context = if error.is::<sqlx::Error>() {
        "PostgreSQL refused a statement of the bench: "
    } else if error.is::<tokio_postgres::Error>() {
        "PostgreSQL refused a batch of plain statements: "
    } else if error.is::<redis::RedisError>() {
        "Redis failed: "
    } else if error.is::<serde_json::Error>() {
        "JSON could not be written or read: "
    } else {
        ""
    };
    format!("{context}{error}")
}

/// Jobs and results do not fit together, so the figures are worth nothing.
pub(crate) fn wrong(what: impl Display) -> Error {
    format!("the result is wrong: {what}; figures of a wrong result are not shown").into()
}

/// Fails unless the result is right; the text, as for `format!`, says how it is wrong.
macro_rules! check {
    ($is_right:expr, $($text:tt)+) => {
        if $is_right { Ok(()) } else { Err($crate::error::wrong(format!($($text)+))) }
    };
}
pub(crate) use check;

/// Something that must happen did not: `what`, as "… did not …".
pub(crate) fn too_late(what: impl Display, waited: Duration) -> Error {
    let seconds = waited.as_secs();
    format!("{what} within {seconds} s; the machine is too busy, or this is a bug").into()
}

/// For `map_err` where a file is written.
pub(crate) fn file<E: Display>(path: &Path) -> impl FnOnce(E) -> Error {
    let path = path.display().to_string();
    move |error| {
        format!("could not write `{path}` ({error}); check the directory's permissions").into()
    }
}

/// For `map_err` where a task is waited for.
pub(crate) fn broke<E: Debug + Display>(task: &str) -> impl FnOnce(E) -> Error {
    move |error| wrong(format!("{task} broke: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_libraries_say_who_failed() {
        let error: Error = sqlx::Error::PoolClosed.into();
        assert!(message(&error).starts_with("PostgreSQL refused"), "{error}");
        let text = message(&wrong("1 is 2"));
        assert!(text.starts_with("the result is wrong: 1 is 2;"), "{text}");
    }
}
