//! Plays each combination in a process of its own, and shows how far it is.

use std::{
    env, fs,
    io::{self, IsTerminal as _, Write as _},
    path::Path,
    time::{Duration, Instant},
};

use flashsale_testbed::{launch::Launch, process::Process};

use super::{combinations::Combination, report::Row, servers};
use crate::{error::ChaosError, files};

/// How often is looked how far it is.
const LOOK: Duration = Duration::from_millis(200);

/// The file of a combination's directory in which its process leaves what came of it.
const RESULT: &str = "result.json";

/// Plays a combination. Its logs and its history are in the directory of its name below `results`,
/// and servers that are not installed are in `servers`. What goes wrong is in the row.
pub async fn run(combination: &Combination, servers: &Path, results: &Path) -> Row {
    let began = Instant::now();
    let directory = results.join(combination.name);
    let played = run_in(combination, servers, &directory).await;
    played.unwrap_or_else(|error| {
        let seconds = began.elapsed().as_secs_f64();
        Row::impossible(combination.name, error.with_causes(), seconds)
    })
}

/// Leaves in the combination's directory what came of it.
pub fn leave(row: &Row, directory: &Path) -> Result<(), ChaosError> {
    files::write_json(&directory.join(RESULT), row)
}

async fn run_in(
    combination: &Combination,
    servers: &Path,
    directory: &Path,
) -> Result<Row, ChaosError> {
    let environment = servers::environment(&combination.servers(), servers)?;
    files::empty(directory)?;
    let program = env::current_exe().map_err(ChaosError::file("flashsale-compat"))?;
    let launch = Launch::new(combination.name, program, directory.join("play.log"))
        .args(["--play", combination.name, "--into"])
        .arg(directory)
        .envs(environment);
    let process = Process::start(launch).await?;
    follow(combination, &process).await?;
    let result = directory.join(RESULT);
    let text = fs::read_to_string(&result).map_err(|_| {
        // What went wrong is said last.
        let log = process.log_tail();
        let last = log.lines().next_back().unwrap_or("it said nothing");
        ChaosError::Wrong(format!("{last} ({})", process.log_file().display()))
    })?;
    files::parse_json(&result, &text)
}

/// Shows what the process says until it has ended. On a terminal that is one line.
async fn follow(combination: &Combination, process: &Process) -> Result<(), ChaosError> {
    let (name, longest) = (combination.name, combination.longest());
    let began = Instant::now();
    let is_terminal = io::stdout().is_terminal();
    let mut told = String::new();
    while process.is_running() {
        if began.elapsed() > longest {
            process.kill()?;
            return Err(ChaosError::too_late(format!("{name} ends"), longest));
        }
        let log = fs::read_to_string(process.log_file()).unwrap_or_default();
        let last = log.lines().next_back().unwrap_or_default();
        let seconds = began.elapsed().as_secs();
        if is_terminal {
            let mut out = io::stdout();
            // A terminal that has gone away is not worth ending for.
            let _ = write!(out, "\r\x1b[K{name:<22} {seconds:>3} s  {last}");
            let _ = out.flush();
        } else if last != told {
            println!("{name:<22} {seconds:>3} s  {last}");
            last.clone_into(&mut told);
        }
        tokio::time::sleep(LOOK).await;
    }
    if is_terminal {
        print!("\r\x1b[K");
    }
    Ok(())
}
