//! Reading a large hash of a sale in steps.

use redis::RedisResult;

use crate::connect::Queue;

/// Fields that one call of Redis looks at: a few milliseconds in which it does nothing else.
const COUNT: usize = 2_000;

/// A walk over a hash. A field that is there all the time is met at least once, perhaps twice.
#[derive(Debug)]
pub struct Scan {
    key: String,
    /// Where Redis goes on; none once it came round.
    cursor: Option<u64>,
}

impl Scan {
    /// A walk over the hash `key`, from its beginning.
    pub fn of(key: String) -> Self {
        Self {
            key,
            cursor: Some(0),
        }
    }

    /// The next fields with their values, perhaps none of them; none at the end.
    pub async fn next(
        &mut self,
        connection: &mut impl Queue,
    ) -> RedisResult<Option<Vec<(String, String)>>> {
        let Some(cursor) = self.cursor else {
            return Ok(None);
        };
        let (next, fields): (u64, Vec<(String, String)>) = redis::cmd("HSCAN")
            .arg(&self.key)
            .arg(cursor)
            .arg("COUNT")
            .arg(COUNT)
            .query_async(connection)
            .await?;
        self.cursor = (next != 0).then_some(next);
        Ok(Some(fields))
    }
}
