//! The generator beside servers that answer well, late, badly and not at all.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use super::*;

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// Says its number, and notes what was answered.
#[derive(Debug, Default)]
struct Numbers(Vec<Vec<u8>>);

impl Traffic for Numbers {
    fn request(&mut self, number: u32, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(format!("GET /{number} HTTP/1.1\r\n\r\n").as_bytes());
    }

    fn answered(&mut self, answer: &Answer<'_>) {
        self.0.push(answer.body.to_vec());
    }
}

/// Serves each connection on a thread: `answer` gets how many requests came before, over all
/// connections, and what to write to.
fn server(answer: impl Fn(u32, &mut TcpStream) + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (answer, requests) = (Arc::new(answer), Arc::new(AtomicU32::new(0)));
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, answer) = (stream.unwrap(), Arc::clone(&answer));
            let requests = Arc::clone(&requests);
            thread::spawn(move || {
                let mut request = [0; 1_024];
                while stream.read(&mut request).is_ok_and(|length| length > 0) {
                    answer(requests.fetch_add(1, Ordering::Relaxed), &mut stream);
                }
            });
        }
    });
    address
}

fn write(stream: &mut TcpStream, text: &str) {
    // The generator has gone when it gave an answer up.
    let _ = stream.write_all(text.as_bytes());
}

/// Sends so many requests, 1,000 a second.
async fn load(address: SocketAddr, count: u32, connections: u32) -> Result<(Report, Numbers)> {
    let plan = Plan {
        address,
        rate: 1_000,
        count,
        connections,
    };
    run(plan, Numbers::default()).await
}

#[tokio::test]
async fn every_request_is_sent_in_its_time_and_its_answer_handed_over() {
    let address = server(|_, stream| write(stream, OK));
    let started = Instant::now();
    let (report, heard) = load(address, 200, 4).await.unwrap();
    assert!(started.elapsed() >= Duration::from_millis(199));
    assert_eq!((report.due, report.succeeded), (200, 200), "{report:?}");
    assert!(report.processor_seconds > 0.0);
    assert_eq!(heard.0, vec![b"ok".to_vec(); 200]);
}

/// The one thing that a closed loop does not notice: while a server stands still, requests are
/// due, and wait.
#[tokio::test]
async fn a_pause_of_the_server_delays_all_that_is_due_meanwhile() {
    const PAUSE: Duration = Duration::from_millis(200);
    let address = server(|before, stream| {
        if before == 100 {
            thread::sleep(PAUSE);
        }
        write(stream, OK);
    });
    let (report, _) = load(address, 500, 1).await.unwrap();
    assert_eq!(report.succeeded, 500);
    // Some 200 of 500 were due in the pause. A closed loop would have had one slow answer.
    let delayed = report.latencies.quantile(0.7).unwrap();
    assert!(delayed > PAUSE / 8, "{delayed:?}");
    assert!(report.late > 100, "{}", report.late);
}

#[tokio::test]
async fn answers_in_pieces_and_refusals_are_understood() {
    let address = server(|before, stream| {
        if before == 3 {
            return write(stream, "HTTP/1.1 429 No\r\ncontent-length: 4\r\n\r\nwait");
        }
        let (first, second) = OK.split_at(20);
        write(stream, first);
        thread::sleep(Duration::from_millis(2));
        write(stream, second);
    });
    let (report, _) = load(address, 10, 2).await.unwrap();
    assert_eq!((report.succeeded, report.refused), (9, 1));
    let refusal = report.check().unwrap_err().to_string();
    let told = "of 10 requests 1 were not answered 200, the first `429 wait`";
    assert!(refusal.contains(told), "{refusal}");
}

#[tokio::test]
async fn a_server_that_falls_silent_leaves_requests_unanswered_and_unsent() {
    let address = server(|before, stream| {
        if before < 5 {
            write(stream, OK);
        }
    });
    let (report, _) = load(address, 20, 2).await.unwrap();
    let counts = (report.succeeded, report.unanswered, report.unsent);
    assert_eq!(counts, (5, 2, 13));
    assert!(report.latencies.quantile(0.5).unwrap() > Duration::from_secs(1));
}

#[tokio::test]
async fn a_connection_that_is_closed_is_an_error() {
    let address = server(|_, stream| {
        let _ = stream.shutdown(std::net::Shutdown::Both);
    });
    assert!(load(address, 5, 1).await.is_err());
}

#[test]
fn every_buy_has_its_own_key_and_shopper_and_the_length_it_says() {
    let mut buys = SingleBuys::new(([127, 0, 0, 1], 80).into(), "p1", 7);
    for (number, digits) in [(0, "0000000000"), (u32::MAX, "4294967295")] {
        let mut bytes = Vec::new();
        buys.request(number, &mut bytes);
        let text = String::from_utf8(bytes).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.ends_with(&format!("r7-00000000-0000-4000-8000-{digits}")));
        assert!(body.contains(&format!("\"user_r7_{digits}\"")), "{body}");
        assert!(head.contains(&format!("Content-Length: {}\r\n", body.len())));
    }
}

#[test]
fn only_what_is_sent_after_more_than_a_millisecond_is_late() {
    let due = Instant::now();
    let mut report = Report::default();
    report.sent(due, due + LATE);
    report.sent(due, due + LATE + Duration::from_micros(1));
    assert_eq!(report.late, 1);
}
