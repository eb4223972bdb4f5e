//! The dead letters of a sale: what they are shown as, and what is asked about them.

pub mod calls;
mod desk;
mod search;

use std::collections::BTreeSet;

use axum::extract::{Query, rejection::QueryRejection};
use flashsale_queue::dead_letter::{DeadLetter, LetterId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{body::invalid, json, problem::Problem, schemas};

use search::Wanted;

/// Most letters in one answer, and most that are replayed or discarded by one call.
const MOST_LETTERS: usize = 200;

/// Letters in an answer when nobody says how many.
const USUAL_LETTERS: usize = 50;

/// Which letters to list.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub struct LetterQuery {
    /// Only letters of this product.
    product: Option<String>,
    /// Only letters whose reason has this part, in upper or lower case.
    reason: Option<String>,
    /// Only letters after the one of this id: `next` of the answer before.
    #[param(example = "1715423000000-0", pattern = "^([0-9]{1,19}-[0-9]{1,19})?$")]
    after: Option<String>,
    /// Most letters in the answer.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<usize>,
}

/// Some dead letters, oldest first.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeadLetters {
    /// Those that were asked for. Fewer than `limit`, even none, do not mean that there are no
    /// more: that `next` is null does.
    pub dead_letters: Vec<DeadLetterView>,
    /// What to give as `after` to go on; null when every letter was looked at.
    #[schema(required = true)]
    pub next: Option<String>,
    /// Letters of the sale in all, whatever was asked for.
    pub total: u64,
}

/// A dead letter: an entry that no attempt could settle.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = DeadLetter)]
pub struct DeadLetterView {
    /// Its id.
    #[schema(example = "1715423000000-0")]
    pub id: String,
    /// The product whose lane it came from.
    pub product_id: String,
    /// Why it died.
    pub reason: String,
    /// Attempts that were made.
    pub attempts: u32,
    /// When it died (RFC 3339, Redis's clock).
    #[schema(required = true, format = DateTime)]
    pub died_at: Option<String>,
    /// The buy; null when the entry is no job.
    #[schema(required = true, format = Uuid)]
    pub job_id: Option<String>,
    /// The shopper; null when the entry is no job.
    #[schema(required = true)]
    pub user_id: Option<String>,
    /// The entry, as text.
    pub job: String,
}

/// Letters to replay or discard.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(expecting = "an object like {\"ids\":[\"1715423000000-0\"]}")]
pub struct LetterIds {
    /// Their ids; one named twice is one.
    #[schema(schema_with = schemas::letter_ids)]
    ids: Vec<String>,
}

/// What became of the letters that were named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct LettersDone {
    /// Replayed or discarded by this call.
    pub done: u64,
    /// Not there any more: somebody else was first.
    pub gone: u64,
}

impl DeadLetterView {
    fn of(letter: &DeadLetter) -> Self {
        let job = letter.parse();
        let died_at = letter.died_ms().map(Timestamp::from_millisecond);
        Self {
            id: letter.id.clone(),
            product_id: letter.product.clone(),
            reason: letter.reason.clone(),
            attempts: letter.attempts,
            died_at: died_at.and_then(Result::ok).map(|at| at.to_string()),
            job_id: job.as_ref().map(|job| job.job_id.to_string()),
            user_id: job.map(|job| job.data.user_id.into()),
            job: String::from_utf8_lossy(&letter.job).into_owned(),
        }
    }
}

/// What to look for; the reason of a refusal says which part cannot be.
fn wanted(query: Result<Query<LetterQuery>, QueryRejection>) -> Result<Wanted, Problem> {
    let Query(query) = query.map_err(|error| invalid(error.body_text()))?;
    let limit = query.limit.unwrap_or(USUAL_LETTERS);
    if !(1..=MOST_LETTERS).contains(&limit) {
        return Err(invalid(format!("limit must be from 1 to {MOST_LETTERS}")));
    }
    // A form sends its empty fields as well.
    let given = |text: Option<String>| text.filter(|text| !text.is_empty());
    let after = given(query.after).map(|text| {
        let id = text.parse::<LetterId>();
        id.map_err(|error| invalid(format!("after {error}")))
    });
    Ok(Wanted {
        product: given(query.product),
        reason: given(query.reason).map(|reason| reason.to_lowercase()),
        after: after.transpose()?,
        limit,
    })
}

/// The letters that a body names, oldest first.
fn letter_ids(body: &[u8]) -> Result<Vec<LetterId>, Problem> {
    let LetterIds { ids } = json::object(body)
        .map_err(|error| invalid(format!("the body names no letters: {error}")))?;
    if !(1..=MOST_LETTERS).contains(&ids.len()) {
        return Err(invalid(format!(
            "ids must name from 1 to {MOST_LETTERS} letters, not {}",
            ids.len()
        )));
    }
    let parsed = ids.iter().enumerate().map(|(at, text)| {
        let id = text.parse::<LetterId>();
        id.map_err(|error| invalid(format!("ids[{at}] {error}")))
    });
    let unique: BTreeSet<LetterId> = parsed.collect::<Result<_, _>>()?;
    Ok(unique.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::ProblemKind;

    #[test]
    fn ids_are_taken_once_and_oldest_first() {
        let ids = letter_ids(br#"{"ids":["10-0","9-1","10-0"]}"#).unwrap();
        let text: Vec<String> = ids.iter().map(ToString::to_string).collect();
        assert_eq!(text, ["9-1", "10-0"]);
    }

    #[test]
    fn a_body_that_names_no_letters_is_told_why() {
        let many = format!("{{\"ids\":[{}\"1-1\"]}}", "\"1-0\",".repeat(200));
        for (body, why) in [
            ("{", "names no letters"),
            ("[]", "an object like"),
            (r#"[["1-0"]]"#, "an object like"),
            ("{}", "ids"),
            (r#"{"ids":[]}"#, "from 1 to 200"),
            (many.as_str(), "not 201"),
            (r#"{"ids":["1-0","*"]}"#, "ids[1] is no id"),
            (r#"{"ids":[7]}"#, "expected a string"),
        ] {
            let problem = letter_ids(body.as_bytes()).unwrap_err();
            assert_eq!(problem.kind(), ProblemKind::BodyInvalid);
            assert!(
                problem.detail().contains(why),
                "{body}: {}",
                problem.detail()
            );
        }
    }

    #[test]
    fn a_query_is_read_with_its_limits() {
        let read = |text: &str| {
            let uri = format!("/?{text}").parse().unwrap();
            wanted(Query::try_from_uri(&uri))
        };
        let all = read("product=&reason=&after=").unwrap();
        assert_eq!((all.limit, all.product, all.reason), (50, None, None));
        let some = read("product=p&reason=POISON&after=7-0&limit=200").unwrap();
        assert_eq!(some.reason.as_deref(), Some("poison"));
        for bad in [
            "limit=0",
            "limit=201",
            "limit=x",
            "limit=-1",
            "after=x",
            "after=(7-0",
        ] {
            assert_eq!(
                read(bad).unwrap_err().kind(),
                ProblemKind::BodyInvalid,
                "{bad}"
            );
        }
    }
}
