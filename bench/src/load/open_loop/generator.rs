//! The thread that sends and reads.

use std::{
    collections::VecDeque,
    io::{self, Read as _, Write as _},
    net::TcpStream,
    time::{Duration, Instant},
};

use flashsale_testbed::http::Head;
use nix::{
    errno::Errno,
    sys::{
        epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout},
        timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags},
    },
};

use super::{Answer, Plan, Report, Traffic};
use crate::processor::own_thread_seconds;

/// How often the clock is looked at when no answer comes: what a request may be sent late at rest.
const TICK: Duration = Duration::from_micros(250);

/// How long answers may take after the last request was due: what wrk gives them.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);

/// From the opening of the connections to the first request.
const HEAD_START: Duration = Duration::from_millis(200);

const EVENTS: usize = 128;

/// Room for an answer: the gateway's have some 300 bytes.
const ANSWER: usize = 2_048;

/// Names the timer among the connections, which are named by their index.
const TIMER: u64 = u64::MAX;

/// Sends what `plan` says, until all is answered or given up, or `is_over`.
pub(super) fn drive<T: Traffic>(
    plan: Plan,
    traffic: T,
    is_over: &dyn Fn() -> bool,
) -> io::Result<(Report, T)> {
    let before = own_thread_seconds()?;
    let mut generator = Generator::new(plan, traffic)?;
    let mut events = [EpollEvent::empty(); EVENTS];
    while !generator.is_done(Instant::now()) && !is_over() {
        let count = match generator.epoll.wait(&mut events, EpollTimeout::NONE) {
            Err(Errno::EINTR) => 0,
            waited => waited?,
        };
        for event in &events[..count] {
            generator.handle(event.data())?;
        }
        generator.send_due()?;
    }
    let used = own_thread_seconds()? - before;
    Ok(generator.finish(used))
}

#[derive(Debug)]
struct Connection {
    /// Blocks, which never happens: it is read only when there is something, and written only
    /// when all that was written before has been answered.
    stream: TcpStream,
    /// When the request on its way was due.
    due: Option<Instant>,
    /// What has come of the answer.
    answer: Vec<u8>,
}

struct Generator<T> {
    epoll: Epoll,
    timer: TimerFd,
    connections: Vec<Connection>,
    /// Connections without a request, the one that has been so for longest first.
    idle: VecDeque<usize>,
    plan: Plan,
    /// When the first request is due.
    start: Instant,
    /// The request that is sent next.
    next: u32,
    traffic: T,
    report: Report,
    latencies: Vec<Duration>,
    request: Vec<u8>,
    read: Box<[u8]>,
}

impl<T: Traffic> Generator<T> {
    fn new(plan: Plan, traffic: T) -> io::Result<Self> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        let mut connections = Vec::new();
        for index in 0..plan.connections.min(plan.count) {
            let stream = TcpStream::connect(plan.address)?;
            stream.set_nodelay(true)?;
            let readable = EpollEvent::new(EpollFlags::EPOLLIN, u64::from(index));
            epoll.add(&stream, readable)?;
            connections.push(Connection {
                stream,
                due: None,
                answer: Vec::with_capacity(ANSWER),
            });
        }
        // Epoll's own timeout counts milliseconds.
        let timer = TimerFd::new(ClockId::CLOCK_MONOTONIC, TimerFlags::TFD_CLOEXEC)?;
        let interval = Expiration::Interval(TICK.into());
        timer.set(interval, TimerSetTimeFlags::empty())?;
        epoll.add(&timer, EpollEvent::new(EpollFlags::EPOLLIN, TIMER))?;
        Ok(Self {
            epoll,
            timer,
            idle: (0..connections.len()).collect(),
            connections,
            plan,
            start: Instant::now() + HEAD_START,
            next: 0,
            traffic,
            report: Report {
                due: plan.count,
                ..Report::default()
            },
            // One more would have the generator copy them all while requests are due.
            latencies: Vec::with_capacity(plan.count as usize),
            request: Vec::with_capacity(ANSWER),
            read: vec![0; ANSWER].into(),
        })
    }

    fn due(&self, number: u32) -> Instant {
        due(self.start, self.plan.rate, number)
    }

    fn is_done(&self, now: Instant) -> bool {
        let all_sent = self.next == self.plan.count;
        (all_sent && self.idle.len() == self.connections.len())
            || now > self.due(self.plan.count) + ANSWER_TIMEOUT
    }

    fn handle(&mut self, name: u64) -> io::Result<()> {
        match usize::try_from(name) {
            Ok(index) if index < self.connections.len() => self.receive(index),
            _ => Ok(self.timer.wait()?),
        }
    }

    fn receive(&mut self, index: usize) -> io::Result<()> {
        let connection = &mut self.connections[index];
        let length = connection.stream.read(&mut self.read)?;
        if length == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        connection.answer.extend_from_slice(&self.read[..length]);
        let Some(head) = Head::parse(&connection.answer)? else {
            return Ok(());
        };
        let body = &connection.answer[head.length..];
        if body.len() > head.body {
            return Err(io::Error::other("an answer is longer than it says"));
        }
        if body.len() < head.body {
            return Ok(());
        }
        let unasked = || io::Error::other("an answer came to no request");
        let due = connection.due.take().ok_or_else(unasked)?;
        let answer = Answer {
            status: head.status,
            body,
            due,
            read: Instant::now(),
        };
        self.latencies
            .push(answer.read.saturating_duration_since(due));
        self.report.answered(&answer);
        self.traffic.answered(&answer);
        connection.answer.clear();
        self.idle.push_back(index);
        Ok(())
    }

    /// Sends what is due, as far as there are idle connections.
    fn send_due(&mut self) -> io::Result<()> {
        let mut now = Instant::now();
        while self.next < self.plan.count && self.due(self.next) <= now {
            let Some(index) = self.idle.pop_front() else {
                return Ok(());
            };
            let due = self.due(self.next);
            self.request.clear();
            self.traffic.request(self.next, &mut self.request);
            let connection = &mut self.connections[index];
            connection.stream.write_all(&self.request)?;
            connection.due = Some(due);
            self.report.sent(due, now);
            self.next += 1;
            now = Instant::now();
        }
        Ok(())
    }

    /// Gives up what has no answer.
    fn finish(mut self, processor_seconds: f64) -> (Report, T) {
        let now = Instant::now();
        for due in self.connections.iter().filter_map(|one| one.due) {
            self.latencies.push(now.saturating_duration_since(due));
            self.report.unanswered += 1;
        }
        for number in self.next..self.plan.count {
            self.latencies
                .push(now.saturating_duration_since(self.due(number)));
            self.report.unsent += 1;
        }
        let latencies = self.latencies.into_iter().collect();
        let report = Report {
            latencies,
            processor_seconds,
            ..self.report
        };
        (report, self.traffic)
    }
}

/// When request `number` is due: reckoned from the start and not from the one before, so that
/// rounding does not add up.
fn due(start: Instant, rate: u32, number: u32) -> Instant {
    let after = u64::from(number) * 1_000_000_000 / u64::from(rate.max(1));
    start + Duration::from_nanos(after)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_due_at_equal_distances_that_do_not_drift() {
        let start = Instant::now();
        assert_eq!(due(start, 3, 0), start);
        assert_eq!(due(start, 3, 1) - start, Duration::from_nanos(333_333_333));
        assert_eq!(due(start, 3, 9) - start, Duration::from_secs(3));
    }
}
