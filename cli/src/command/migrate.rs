//! `flashsale migrate`: the schema of the ledger.

use std::io::{self, Write as _};

use clap::Args;
use flashsale_ledger::{Ledger, Migrated, RoleName, Roles, SameRole, Widened};

use super::{Outcome, ToolError};
use crate::connection::{DirectArgs, LedgerArgs};

/// Bring the schema of the PostgreSQL database up to date. Harmless to repeat, and to run from
/// several places at once. Sales go on meanwhile.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  flashsale migrate --database-url 'postgres://flashsale:secret@db.example.com/flashsale?sslmode=verify-full'
  flashsale migrate --widen-orders
  flashsale migrate --create-roles

--create-roles makes three roles that carry rights and have no password. Give the processes login
roles of their own, with passwords that only you and they see:
  CREATE ROLE shop_gateway LOGIN PASSWORD '…' IN ROLE flashsale_gateway;
  CREATE ROLE shop_worker  LOGIN PASSWORD '…' IN ROLE flashsale_worker;
The first run needs CREATEROLE; later runs, one after each upgrade, do not.

Behind a pooler in transaction mode, --database-direct-url has to lead to PostgreSQL itself.
With FLASHSALE_DATABASE_URL in the environment the password does not show in `ps`.")]
pub(super) struct Arguments {
    #[command(flatten)]
    ledger: LedgerArgs,
    #[command(flatten)]
    direct: DirectArgs,
    /// Give order ids and prices 64 bits afterwards, so that ids never run out and a price may be above
    /// 2147483647 minor units. Only when no process of the release before this one is left: those read 32 bits. Sales go on meanwhile; a run that was
    /// broken off is simply started again.
    #[arg(long)]
    widen_orders: bool,
    /// Make the roles of the owner, of workers and of gateways where they are missing, hand the
    /// tables to the owner, and give each role its rights on the schema as it is now. The role that
    /// connects becomes a member of the owner. Repeat it after each upgrade.
    #[arg(long)]
    create_roles: bool,
    /// The role that owns tables and functions: for this command, the operator and the hand tools.
    #[arg(
        long,
        value_name = "NAME",
        default_value = "flashsale_owner",
        requires = "create_roles"
    )]
    owner_role: RoleName,
    /// The role that may settle batches and nothing else: for workers.
    #[arg(
        long,
        value_name = "NAME",
        default_value = "flashsale_worker",
        requires = "create_roles"
    )]
    worker_role: RoleName,
    /// The role that may look orders up and nothing else: for gateways.
    #[arg(
        long,
        value_name = "NAME",
        default_value = "flashsale_gateway",
        requires = "create_roles"
    )]
    gateway_role: RoleName,
}

impl Arguments {
    fn roles(&self) -> Result<Roles, SameRole> {
        Roles::new(
            self.owner_role.clone(),
            self.worker_role.clone(),
            self.gateway_role.clone(),
        )
    }
}

pub(super) async fn run(arguments: &Arguments) -> Result<Outcome, ToolError> {
    // Before anything is changed.
    let roles = arguments
        .create_roles
        .then(|| arguments.roles())
        .transpose()?;
    let ledger = arguments.ledger.connect_directly(&arguments.direct).await?;
    match ledger.migrate().await? {
        Migrated::UpToDate => writeln!(io::stdout(), "the schema is up to date")?,
        Migrated::Newer { schema, release } => writeln!(
            io::stdout(),
            "the schema is newer than this release and is left as it is (migration {schema}; this \
             release ends with {release})"
        )?,
    }
    if arguments.widen_orders {
        match ledger.widen_orders().await? {
            Widened::Before => writeln!(io::stdout(), "order ids and prices had 64 bits already")?,
            Widened::Now(copied) => {
                writeln!(
                    io::stdout(),
                    "order ids and prices have 64 bits, {copied} orders copied"
                )?;
            }
        }
    }
    if let Some(roles) = roles {
        create_roles(&ledger, &roles).await?;
    } else if ledger.has_roles().await? {
        writeln!(
            io::stdout(),
            "workers and gateways have roles of their own: run this with --create-roles, so that \
             they get their rights on what is new"
        )?;
    }
    Ok(Outcome::Holds)
}

async fn create_roles(ledger: &Ledger, roles: &Roles) -> Result<(), ToolError> {
    ledger.create_roles(roles).await?;
    writeln!(
        io::stdout(),
        "the roles {}, {} and {} have their rights",
        roles.owner,
        roles.worker,
        roles.gateway
    )?;
    if ledger.anyone_may_create().await? {
        writeln!(
            io::stderr(),
            "warning: anyone may create objects in the schema, and functions that run with the \
             owner's rights look there; as the owner of the schema run `REVOKE CREATE ON SCHEMA \
             public FROM PUBLIC`"
        )?;
    }
    Ok(())
}
