//! By which numbers is measured.

/// Whether shoppers must say who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Auth {
    /// `--auth-mode off`: made-up user ids are let in.
    Off,
    /// `--auth-mode jwt`: tokens are checked, bad ones too.
    Jwt,
}

/// The numbers of all parts.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How long an attack takes, in seconds.
    pub attack_seconds: u64,
    /// Cores that the attacker may use.
    pub attacker_cores: f64,
    /// Buys per second of honest shoppers beside the attacker.
    pub honest_rate: u32,
    /// Open files that the attacked gateway may have.
    pub open_files: u64,
    /// How long Redis is overloaded, in seconds.
    pub overload_seconds: u64,
    /// Buys per second that Redis can take.
    pub redis_rate: u32,
    /// Buys per second that are offered to it.
    pub offered: u32,
    /// Cores that the slow gateway may use.
    pub gateway_cores: f64,
    /// How long each point of its curve takes, in seconds.
    pub point_seconds: u64,
}
