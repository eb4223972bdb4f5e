//! Finding the letters that a command is about.

use std::io::{self, Write as _};

use flashsale_queue::{
    connect::DedicatedConnection,
    dead_letter::{self, DeadLetter},
    keys::SaleKeys,
    lane,
};
use redis::RedisResult;

use crate::command::{Outcome, ToolError};

/// Letters read in one call.
const PAGE: usize = 500;

/// What was found of what was asked for.
#[derive(Debug, Default)]
pub(super) struct Selection {
    /// The letters, oldest first.
    pub(super) found: Vec<DeadLetter>,
    /// Ids that no letter has.
    pub(super) missing: Vec<String>,
}

/// The letters with these ids, or all. All are read before anything is done with them, so that a
/// letter that is replayed and dies again is not met twice.
pub(super) async fn select(
    redis: &mut DedicatedConnection,
    keys: &SaleKeys,
    ids: Option<&[String]>,
) -> RedisResult<Selection> {
    let mut selection = Selection::default();
    let mut after = lane::HEAD.to_owned();
    loop {
        let page = dead_letter::list(redis, keys, &after, PAGE).await?;
        let Some(last) = page.last() else { break };
        after.clone_from(&last.id);
        let wanted = |letter: &DeadLetter| ids.is_none_or(|ids| ids.contains(&letter.id));
        selection.found.extend(page.into_iter().filter(wanted));
    }
    let known = |id: &String| selection.found.iter().any(|letter| letter.id == *id);
    selection.missing = ids
        .unwrap_or_default()
        .iter()
        .filter(|id| !known(id))
        .cloned()
        .collect();
    Ok(selection)
}

impl Selection {
    /// Says what was not found.
    pub(super) fn report_missing(&self) -> Result<Outcome, ToolError> {
        for id in &self.missing {
            writeln!(io::stdout(), "there is no dead letter {id}")?;
        }
        Ok(Outcome::holds_if(self.missing.is_empty()))
    }
}
