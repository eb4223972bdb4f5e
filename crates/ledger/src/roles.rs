//! The roles of the owner, of workers and of gateways.

use std::{fmt, str::FromStr};

use sqlx::{AssertSqlSafe, PgConnection};

use crate::{
    error::LedgerError,
    fault,
    handle::Ledger,
    migration::{LOCK_RETRY, until_unlocked},
};

/// What makes the roles and gives them their rights, with the default names. `docs/install.md` has
/// the same for people who run it by hand.
pub const ROLES_SQL: &str = include_str!("roles.sql");

/// Names in [`ROLES_SQL`].
const DEFAULT_NAMES: [&str; 3] = ["flashsale_owner", "flashsale_worker", "flashsale_gateway"];

/// Longest name of a role; PostgreSQL cuts longer ones.
const LONGEST_NAME: usize = 63;

/// Begins the names that PostgreSQL keeps for itself.
const RESERVED: &str = "pg_";

/// Why a text cannot name a role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "is no name for a role: write 1 to {LONGEST_NAME} of a-z, 0-9 and `_`, a letter first, and not \
     `{RESERVED}` at the beginning"
)]
pub struct RoleNameError;

/// The name of a role that needs no quotes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleName(String);

impl FromStr for RoleName {
    type Err = RoleNameError;

    fn from_str(text: &str) -> Result<Self, RoleNameError> {
        let is_plain = text
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
        let begins_well = text.starts_with(|first: char| first.is_ascii_lowercase());
        if is_plain && begins_well && text.len() <= LONGEST_NAME && !text.starts_with(RESERVED) {
            Ok(Self(text.to_owned()))
        } else {
            Err(RoleNameError)
        }
    }
}

impl fmt::Display for RoleName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Why three names do not make three roles.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0} names two of the roles: give each a name of its own, or one would have the rights of both"
)]
pub struct SameRole(RoleName);

/// The three roles. None of them can log in: login roles are members of one.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Roles {
    /// Owns tables and functions; for migrations, the operator and the hand tools.
    pub owner: RoleName,
    /// May settle batches.
    pub worker: RoleName,
    /// May look orders up.
    pub gateway: RoleName,
}

impl Roles {
    /// Roles of these names.
    ///
    /// # Errors
    /// Two of the names are the same.
    pub fn new(owner: RoleName, worker: RoleName, gateway: RoleName) -> Result<Self, SameRole> {
        if owner == worker || owner == gateway {
            return Err(SameRole(owner));
        }
        if worker == gateway {
            return Err(SameRole(worker));
        }
        Ok(Self {
            owner,
            worker,
            gateway,
        })
    }

    /// [`ROLES_SQL`] with these names, each put where its default stands.
    fn sql(&self) -> String {
        let names = [&self.owner, &self.worker, &self.gateway];
        let mut sql = String::with_capacity(ROLES_SQL.len());
        let mut rest = ROLES_SQL;
        // In one pass: a name given may be the default of another.
        while let Some((at, default, name)) = DEFAULT_NAMES
            .iter()
            .zip(names)
            .filter_map(|(default, name)| Some((rest.find(default)?, *default, name)))
            .min_by_key(|(at, ..)| *at)
        {
            sql.push_str(&rest[..at]);
            sql.push_str(&name.0);
            rest = &rest[at + default.len()..];
        }
        sql + rest
    }

    fn names(&self) -> Vec<&str> {
        vec![&self.owner.0, &self.worker.0, &self.gateway.0]
    }
}

impl Ledger {
    /// Makes the roles that are missing and gives each its rights on the schema as it is, so it is
    /// to be repeated after a migration. Needs the right to make roles only while some are missing.
    /// The role that connects becomes a member of the owner.
    ///
    /// # Errors
    /// [`LedgerError::MayNotCreateRoles`] and [`LedgerError::MayNotGrant`]; on any error nothing is
    /// changed.
    pub async fn create_roles(&self, roles: &Roles) -> Result<(), LedgerError> {
        let _guard = self.lock_schema().await?;
        let mut connection = self.connection_without_limits().await?;
        let role = may_create(&mut connection, roles).await?;
        let sql = roles.sql();
        // Statements sent as one string are one transaction.
        let granted = until_unlocked("granting rights", LOCK_RETRY, async || {
            let run = sqlx::raw_sql(AssertSqlSafe(sql.clone()));
            run.execute(&mut connection).await
        });
        match granted.await {
            Err(source) if fault::is_not_permitted(&source) => Err(LedgerError::MayNotGrant {
                role,
                owner: roles.owner.to_string(),
                source,
            }),
            result => Ok(result.map(drop)?),
        }
    }

    /// Whether every role may create objects in the schema, as PostgreSQL before 15 lets it by
    /// default. Only the owner of the schema can end that.
    ///
    /// # Errors
    /// The ledger cannot be asked.
    pub async fn anyone_may_create(&self) -> Result<bool, LedgerError> {
        let query =
            sqlx::query_scalar("SELECT has_schema_privilege('public', current_schema(), 'CREATE')");
        self.call(async |connection| query.fetch_one(connection).await)
            .await
    }

    /// Whether others than the owner were given rights to settle: a new version of the schema then
    /// needs [`Ledger::create_roles`] again.
    ///
    /// # Errors
    /// The ledger cannot be asked.
    pub async fn has_roles(&self) -> Result<bool, LedgerError> {
        let query = sqlx::query_scalar(
            "SELECT EXISTS (
               SELECT FROM pg_proc, aclexplode(proacl) AS granted
                WHERE pronamespace = quote_ident(current_schema())::regnamespace
                  AND proname = 'settle_jobs' AND granted.grantee NOT IN (0, proowner))",
        );
        self.call(async |connection| query.fetch_one(connection).await)
            .await
    }
}

/// The role that connects, if it need not make roles or may.
async fn may_create(connection: &mut PgConnection, roles: &Roles) -> Result<String, LedgerError> {
    let (role, may_create, missing): (String, bool, Vec<String>) = sqlx::query_as(
        "SELECT rolname::text, rolsuper OR rolcreaterole,
                ARRAY(SELECT wanted FROM unnest($1::text[]) AS wanted
                       WHERE wanted NOT IN (SELECT rolname FROM pg_roles))
           FROM pg_roles WHERE rolname = current_user",
    )
    .bind(roles.names())
    .fetch_one(connection)
    .await?;
    if !missing.is_empty() && !may_create {
        return Err(LedgerError::MayNotCreateRoles {
            role,
            missing: missing.join(", "),
        });
    }
    Ok(role)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> RoleName {
        text.parse().unwrap()
    }

    #[test]
    fn names_are_put_in_each_place_even_where_one_is_the_default_of_another() {
        let roles = Roles::new(
            name("flashsale_worker"),
            name("settles"),
            name("flashsale_owner"),
        )
        .unwrap();
        let sql = roles.sql();
        assert!(sql.contains("ARRAY['flashsale_worker', 'settles', 'flashsale_owner']"));
        assert!(sql.contains("GRANT EXECUTE ON FUNCTION %s TO settles'"));
        assert!(sql.contains("status) ON orders TO flashsale_owner;"));
        assert!(!sql.contains("flashsale_gateway"));
        let [owner, worker, gateway] = DEFAULT_NAMES.map(name);
        let defaults = Roles::new(owner, worker, gateway).unwrap();
        assert_eq!(defaults.sql(), ROLES_SQL);
        assert!(Roles::new(name("a"), name("b"), name("b")).is_err());
    }

    #[test]
    fn a_name_needs_no_quotes() {
        for text in ["flashsale_owner", "a", "shop2_worker"] {
            assert!(text.parse::<RoleName>().is_ok(), "{text}");
        }
        let long = "a".repeat(LONGEST_NAME + 1);
        for text in ["", "2nd", "Shop", "a-b", "a\"b", "pg_read_all_data", &long] {
            assert!(text.parse::<RoleName>().is_err(), "{text}");
        }
    }
}
