//! Child processes of one kind: as many as wanted, started again when they die.

use std::{
    fmt,
    net::SocketAddr,
    time::{Duration, Instant},
};

use flashsale_testbed::process::{Process, ProcessError};

use super::children::Recipe;

/// Wait before a child that died is started again; doubled each time it dies young.
const FIRST_WAIT: Duration = Duration::from_millis(100);

/// Longest wait.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// A child that lived this long was healthy; the next death counts as its first.
const HEALTHY_AFTER: Duration = Duration::from_mins(1);

/// A child that was asked to go and has not by then is killed: longer than a worker takes for a
/// batch that waits for the ledger, and a gateway for requests in flight.
const GRACE: Duration = Duration::from_secs(30);

/// Child processes of one kind.
pub(super) struct Fleet {
    kind: &'static str,
    recipe: Recipe,
    /// In the order of their start.
    members: Vec<Member>,
    /// Asked to go.
    leaving: Vec<(Box<Process>, Instant)>,
    /// The number of the next new one.
    next_number: u32,
}

#[derive(Debug)]
struct Member {
    number: u32,
    /// How often it died young, one after the other.
    deaths: u32,
    state: State,
}

#[derive(Debug)]
enum State {
    Running {
        process: Box<Process>,
        probes: SocketAddr,
        since: Instant,
    },
    Waiting {
        until: Instant,
    },
}

impl fmt::Debug for Fleet {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Fleet")
            .field("kind", &self.kind)
            .field("members", &self.members)
            .finish_non_exhaustive()
    }
}

impl Fleet {
    /// None yet.
    pub(super) fn new(kind: &'static str, recipe: Recipe) -> Self {
        Self {
            kind,
            recipe,
            members: Vec::new(),
            leaving: Vec::new(),
            next_number: 1,
        }
    }

    /// How many there are, those included that wait to be started again.
    pub(super) fn size(&self) -> u32 {
        u32::try_from(self.members.len()).unwrap_or(u32::MAX)
    }

    /// Those that run, and where their probes are.
    pub(super) fn running(&self) -> impl Iterator<Item = (&Process, SocketAddr)> {
        self.members
            .iter()
            .filter_map(|member| match &member.state {
                State::Running {
                    process, probes, ..
                } => Some((process.as_ref(), *probes)),
                State::Waiting { .. } => None,
            })
    }

    /// Starts or ends children until there are `wanted`; the newest go first, politely, and are
    /// not waited for. Answers what people should know.
    pub(super) async fn scale(&mut self, wanted: u32) -> Vec<String> {
        let mut news = Vec::new();
        while self.size() < wanted {
            let number = self.next_number;
            self.next_number += 1;
            let mut member = Member {
                number,
                deaths: 0,
                state: State::Waiting {
                    until: Instant::now(),
                },
            };
            news.extend(self.start(&mut member).await);
            self.members.push(member);
        }
        while self.size() > wanted {
            let Some(member) = self.members.pop() else {
                break;
            };
            if let State::Running { process, .. } = member.state {
                news.extend(process.terminate().err().map(|error| error.to_string()));
                self.leaving.push((process, Instant::now()));
            }
        }
        news
    }

    /// Looks after all of them: notes who died, starts again whose wait is over, ends who does not
    /// go. Answers what people should know.
    pub(super) async fn tend(&mut self) -> Vec<String> {
        let mut news = Vec::new();
        let mut members = std::mem::take(&mut self.members);
        for member in &mut members {
            news.extend(member.note_death(self.kind).await);
            if matches!(member.state, State::Waiting { until } if until <= Instant::now()) {
                news.extend(self.start(member).await);
            }
        }
        self.members = members;
        self.leaving.retain(|(process, since)| {
            if since.elapsed() > GRACE {
                news.extend(process.kill().err().map(|error| error.to_string()));
            }
            process.is_running()
        });
        news
    }

    /// Ends all of them, and comes back when they have ended.
    pub(super) async fn stop(&mut self) -> Result<(), ProcessError> {
        self.scale(0).await;
        for (process, _) in self.leaving.drain(..) {
            process.stop(GRACE).await?;
        }
        Ok(())
    }

    /// Starts a member that waits; answers why it did not start.
    async fn start(&self, member: &mut Member) -> Option<String> {
        let outcome = match (self.recipe)(member.number) {
            Ok(child) => Process::start(child.launch)
                .await
                .map(|process| (Box::new(process), child.probes))
                .map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        match outcome {
            Ok((process, probes)) => {
                member.state = State::Running {
                    process,
                    probes,
                    since: Instant::now(),
                };
                None
            }
            Err(error) => {
                let wait = member.wait_after_death();
                let name = format!("{}-{}", self.kind, member.number);
                Some(format!("{name} did not start ({error}), again in {wait:?}"))
            }
        }
    }
}

impl Member {
    /// Notices that a running member has ended unasked; answers what people should know.
    async fn note_death(&mut self, kind: &str) -> Option<String> {
        let State::Running { process, since, .. } = &self.state else {
            return None;
        };
        if process.is_running() {
            return None;
        }
        if since.elapsed() >= HEALTHY_AFTER {
            self.deaths = 0;
        }
        let how = match process.wait(Duration::ZERO).await {
            Ok(status) => status.to_string(),
            Err(error) => error.to_string(),
        };
        let log = process.log_file().display().to_string();
        let wait = self.wait_after_death();
        let number = self.number;
        Some(format!(
            "{kind}-{number} ended unasked ({how}), starting it again in {wait:?}; its log is {log}"
        ))
    }

    fn wait_after_death(&mut self) -> Duration {
        let wait = backoff(self.deaths);
        self.deaths += 1;
        self.state = State::Waiting {
            until: Instant::now() + wait,
        };
        wait
    }
}

fn backoff(deaths: u32) -> Duration {
    FIRST_WAIT
        .saturating_mul(2_u32.saturating_pow(deaths.min(16)))
        .min(LONGEST_WAIT)
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use flashsale_testbed::launch::Launch;

    use super::*;
    use crate::up::children::Child;

    fn fleet(directory: &Path, script: &'static str) -> Fleet {
        let log = directory.join("log");
        Fleet::new(
            "sleeper",
            Box::new(move |number| {
                Ok(Child {
                    launch: Launch::new(format!("sleeper-{number}"), "/bin/sh", &log)
                        .args(["-c", script]),
                    probes: SocketAddr::from(([127, 0, 0, 1], 1)),
                })
            }),
        )
    }

    fn pids(fleet: &Fleet) -> Vec<i32> {
        fleet.running().map(|(process, _)| process.pid()).collect()
    }

    async fn tend_until(fleet: &mut Fleet, condition: impl Fn(&Fleet) -> bool) -> Vec<String> {
        let deadline = Instant::now() + Duration::from_secs(30);
        let mut news = Vec::new();
        while !condition(fleet) {
            assert!(Instant::now() < deadline, "gave up waiting: {news:?}");
            news.extend(fleet.tend().await);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        news
    }

    #[tokio::test]
    async fn the_newest_go_first() {
        let directory = tempfile::tempdir().unwrap();
        let mut fleet = fleet(directory.path(), "exec sleep 1000");
        assert_eq!(fleet.scale(3).await, Vec::<String>::new());
        let three = pids(&fleet);
        fleet.scale(1).await;
        assert_eq!(pids(&fleet), three[..1]);
        tend_until(&mut fleet, |fleet| fleet.leaving.is_empty()).await;
        fleet.stop().await.unwrap();
        assert_eq!(fleet.size(), 0);
    }

    #[tokio::test]
    async fn children_are_asked_to_end_once() {
        let directory = tempfile::tempdir().unwrap();
        let script = "trap 'echo asked; asked=1' TERM; echo ready; \
                      until [ \"$asked\" ]; do sleep 0.01; done; sleep 0.2";
        let mut fleet = fleet(directory.path(), script);
        fleet.scale(1).await;
        let log = || fs::read_to_string(directory.path().join("log")).unwrap_or_default();
        tend_until(&mut fleet, |_| log().contains("ready")).await;
        fleet.scale(0).await;
        tend_until(&mut fleet, |_| log().contains("asked")).await;
        fleet.stop().await.unwrap();
        assert_eq!(log(), "ready\nasked\n");
    }

    #[tokio::test]
    async fn a_killed_child_is_started_again_and_said_so() {
        let directory = tempfile::tempdir().unwrap();
        let mut fleet = fleet(directory.path(), "exec sleep 1000");
        fleet.scale(2).await;
        let before = pids(&fleet);
        fleet.running().next().unwrap().0.kill().unwrap();
        let news = tend_until(&mut fleet, |fleet| {
            let now = pids(fleet);
            now.len() == 2 && now != before
        })
        .await;
        assert!(
            news[0].contains("sleeper-1 ended unasked (signal: 9"),
            "{news:?}"
        );
        assert_eq!(pids(&fleet)[1], before[1]);
    }

    #[tokio::test]
    async fn a_child_that_keeps_dying_is_started_less_and_less_often() {
        let directory = tempfile::tempdir().unwrap();
        let mut fleet = fleet(directory.path(), "exit 1");
        fleet.scale(1).await;
        let news = tend_until(&mut fleet, |fleet| fleet.members[0].deaths == 4).await;
        for (line, wait) in news.iter().zip(["100ms", "200ms", "400ms", "800ms"]) {
            assert!(line.contains(wait), "{line}");
        }
        assert_eq!(backoff(40), LONGEST_WAIT);
    }
}
