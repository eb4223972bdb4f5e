//! `flashsale`: the hand tools.

use std::process::ExitCode;

/// A crowd of shoppers makes many small allocations on two busy cores.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    flashsale_cli::command::main()
}
