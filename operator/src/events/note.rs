//! The sentence of an event.

/// The API server refuses longer ones, in bytes.
const LONGEST: usize = 1024;

/// What a cut note ends with.
const ELLIPSIS: &str = "…";

/// `note`, cut at a character so that the API server takes it.
pub(super) fn fit(note: String) -> String {
    if note.len() <= LONGEST {
        return note;
    }
    let mut end = LONGEST - ELLIPSIS.len();
    while !note.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{ELLIPSIS}", &note[..end])
}

/// `count` with the words for one or for many, as in "1 job is" and "2 jobs are".
pub fn counted(count: Option<i64>, one: &str, many: &str) -> String {
    match count {
        Some(1) => format!("1 {one}"),
        Some(count) => format!("{count} {many}"),
        None => format!("an unknown number of {many}"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn always_fits_and_keeps_the_beginning(note in "\\PC{0,1500}") {
            let fitted = fit(note.clone());
            prop_assert!(fitted.len() <= LONGEST);
            let kept = fitted.strip_suffix(ELLIPSIS).unwrap_or(&fitted);
            prop_assert!(note.starts_with(kept));
            prop_assert_eq!(fitted == note, note.len() <= LONGEST);
        }
    }
}
