//! The crowd against gateways that behave badly, which a real one does not do on demand.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use flashsale_cli::load::{
    book::Book,
    crowd::{Arrivals, Crowd, CrowdPlan, Offer},
    engine::Engine,
    report::Report,
    target::Target,
    verify::{Verified, Verifier},
};
use http::{Request, Response};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use tokio::{net::TcpListener, time::Instant};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::run;

type Answer = Response<Full<Bytes>>;

/// A gateway that answers as `answer` says.
async fn gateway<F>(answer: impl Fn(Request<Incoming>) -> F + Clone + Send + 'static) -> SocketAddr
where
    F: Future<Output = Answer> + Send,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let answer = answer.clone();
            let service = service_fn(move |request| {
                let answer = answer(request);
                async { Ok::<_, Infallible>(answer.await) }
            });
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
    address
}

fn answer(status: u16, body: impl Into<Bytes>) -> Answer {
    Response::builder()
        .status(status)
        .body(Full::new(body.into()))
        .unwrap()
}

fn queued(job: Uuid) -> Answer {
    answer(
        200,
        format!(r#"{{"jobId":"{job}","status":"queued","position":1}}"#),
    )
}

/// `shoppers` within one millisecond, each pressing once.
fn book(shoppers: u32) -> Arc<Book> {
    let plan = CrowdPlan {
        arrivals: Arrivals::Opening {
            shoppers,
            over: Duration::from_millis(1),
        },
        offers: vec![Offer {
            sale: "drop".parse().unwrap(),
            product: "p".parse().unwrap(),
            weight: 1,
        }],
        double_share: 0.0,
        impatient_share: 0.0,
        impatient_presses: 0,
        greedy_share: 0.0,
    };
    let crowd = Arc::new(Crowd::draw(&plan).unwrap());
    Arc::new(Book::new(crowd, Instant::now()).unwrap())
}

async fn send(book: &Arc<Book>, targets: &[SocketAddr], connections: usize) {
    let targets = targets.iter().map(|address| target(*address)).collect();
    let engine = Engine {
        targets,
        connections,
        patience: Duration::from_secs(2),
        sources: Vec::new(),
        tokens: None,
        passes: None,
    };
    engine.run(book, &CancellationToken::new()).await;
}

fn target(address: SocketAddr) -> Target {
    Target::parse(&format!("http://{address}")).unwrap()
}

#[tokio::test]
async fn latency_counts_from_the_instant_meant_and_not_from_when_there_was_room_to_send() {
    let address = gateway(|_| async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        answer(409, "")
    })
    .await;
    let book = book(5);
    send(&book, &[address], 1).await;
    assert_eq!(book.counts().sold_out, 5);
    // The fifth waited for the four before it; a closed loop would have called it 100 ms.
    assert!(book.latencies().answer.unwrap().max_us >= 500_000);
}

#[tokio::test]
async fn a_buy_that_meets_an_outage_is_repeated_with_its_own_key() {
    let keys: Arc<Mutex<Vec<String>>> = Arc::default();
    let seen = Arc::clone(&keys);
    let address = gateway(move |request| {
        let key = request.headers()["idempotency-key"]
            .to_str()
            .unwrap()
            .to_owned();
        let mut seen = seen.lock().unwrap();
        seen.push(key);
        let count = seen.len();
        async move {
            match count {
                1 => answer(503, r#"{"type":"x/unavailable"}"#),
                2 => answer(500, ""),
                _ => queued(Uuid::from_u128(7)),
            }
        }
    })
    .await;
    let book = book(1);
    send(&book, &[address], 2).await;
    let counts = book.counts();
    assert_eq!((counts.asked, counts.queued, counts.repeats), (1, 1, 2));
    let keys = keys.lock().unwrap();
    assert_eq!(keys.len(), 3);
    assert!(keys.iter().all(|key| *key == keys[0]));
}

#[tokio::test]
async fn a_gateway_that_is_down_takes_no_shoppers_from_one_that_is_up() {
    let down = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    let up = gateway(|_| async { answer(409, "") }).await;
    let book = book(200);
    let sending = tokio::spawn({
        let book = Arc::clone(&book);
        async move { send(&book, &[down, up], 8).await }
    });
    tokio::time::timeout(Duration::from_secs(20), sending)
        .await
        .unwrap()
        .unwrap();
    assert_eq!((book.counts().sold_out, book.counts().repeats), (200, 0));
}

#[tokio::test]
async fn shoppers_give_up_when_nobody_takes_them() {
    let down = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    let book = book(20);
    send(&book, &[down], 4).await;
    assert_eq!((book.counts().asked, book.counts().gave_up), (20, 20));
    assert!(
        book.trouble()
            .keys()
            .all(|reason| reason.contains("cannot connect"))
    );

    let broken = gateway(|_| async { answer(503, r#"{"type":"x/unavailable"}"#) }).await;
    let book = self::book(20);
    send(&book, &[broken], 4).await;
    assert_eq!((book.counts().asked, book.counts().gave_up), (20, 20));
    assert_eq!(book.trouble()["503 unavailable"], 20);
}

#[tokio::test]
async fn an_acknowledged_buy_that_never_ends_is_lost() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let address = gateway(move |request| {
        let path = request.uri().path().to_owned();
        count.fetch_add(usize::from(path != "/buy"), Ordering::Relaxed);
        async move {
            match path.as_str() {
                "/buy" => queued(Uuid::new_v4()),
                path if path.ends_with(['0', '1', '2', '3']) => {
                    answer(200, r#"{"status":"queued","position":1}"#)
                }
                _ => answer(200, r#"{"status":"sold_out"}"#),
            }
        }
    })
    .await;
    let book = book(100);
    send(&book, &[address], 4).await;
    let verifier = Verifier {
        redis: None,
        gateways: vec![target(address)],
        patience: Duration::from_millis(500),
    };
    let lost = verifier.run(&book, &CancellationToken::new()).await.lost;
    let ends_wrong = |job: &Uuid| job.to_string().ends_with(['0', '1', '2', '3']);
    assert!(!lost.is_empty() && lost.iter().all(ends_wrong), "{lost:?}");
    let counts = book.counts();
    assert_eq!(
        counts.sold_out_in_lane + u64::try_from(lost.len()).unwrap(),
        100
    );
    assert!(
        asked.load(Ordering::Relaxed) > 100,
        "those that wait are asked for again"
    );
}

/// A gateway is all that this crowd knows, and cancelled orders are not lost.
#[tokio::test]
async fn unpaid_and_cancelled_orders_are_counted_apart_from_the_confirmed_ones() {
    let address = gateway(|request| {
        let path = request.uri().path().to_owned();
        async move {
            match path.as_str() {
                "/buy" => queued(Uuid::new_v4()),
                path if path.ends_with(['0', '1', '2', '3']) => answer(
                    200,
                    r#"{"status":"cancelled","order":{"id":1,"state":"cancelled","reason":"expired"}}"#,
                ),
                path if path.ends_with(['4', '5', '6', '7']) => answer(
                    200,
                    r#"{"status":"confirmed","orderId":2,"order":{"id":2,"state":"pending"}}"#,
                ),
                _ => answer(200, r#"{"status":"confirmed","orderId":3}"#),
            }
        }
    })
    .await;
    let book = book(200);
    send(&book, &[address], 4).await;
    let verifier = Verifier {
        redis: None,
        gateways: vec![target(address)],
        patience: Duration::from_millis(500),
    };
    let found = verifier.run(&book, &CancellationToken::new()).await;
    assert!(found.lost.is_empty(), "{found:?}");
    assert_eq!(book.counts().confirmed, 200);
    let ends_in = |digits: &[char]| {
        let jobs = book.acknowledged().into_iter();
        let jobs = jobs.filter(|(job, _)| job.to_string().ends_with(digits));
        u64::try_from(jobs.count()).unwrap()
    };
    let orders = found.orders.unwrap();
    assert_eq!(orders.cancelled, ends_in(&['0', '1', '2', '3']));
    assert_eq!(orders.unpaid, ends_in(&['4', '5', '6', '7']));
    assert!(orders.cancelled > 0 && orders.unpaid > 0, "{orders:?}");

    let report = Report::new(&book, Timestamp::now(), Duration::ZERO, &found);
    assert!(report.holds());
    let text = report.to_string();
    let row = |name: &str, count: u64| format!("  {name:<22} {count:>12}\n");
    assert!(
        text.contains(&row("  cancelled", orders.cancelled)),
        "{text}"
    );
    let unknown = Verified::default();
    let report = Report::new(&book, Timestamp::now(), Duration::ZERO, &unknown);
    let text = report.to_string();
    assert!(
        text.contains("orders unpaid               unknown\n"),
        "{text}"
    );
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["orders"], serde_json::Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_reports_lost_buys_by_its_status() {
    let address = gateway(|request| {
        let path = request.uri().path().to_owned();
        async move {
            match path.as_str() {
                "/sales" => answer(
                    200,
                    r#"{"sales":[{"sale":"drop","products":[{"productId":"p","stock":5}]}]}"#,
                ),
                "/buy" => queued(Uuid::new_v4()),
                _ => answer(404, "{}"),
            }
        }
    })
    .await;
    let url = format!("http://{address}");
    let arguments = ["load", "--url", &url, "--rate", "50", "--duration", "0.2"];
    let more = [
        "--settle-patience",
        "1",
        "--double-press",
        "0",
        "--impatient",
        "0",
        "--greedy",
        "0",
        "--json",
    ];
    let arguments = [&arguments[..], &more[..]].concat();
    let arguments: Vec<String> = arguments.into_iter().map(str::to_owned).collect();
    let printed = tokio::task::spawn_blocking(move || {
        run(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
    })
    .await
    .unwrap();
    assert_eq!(printed.status, Some(1), "{printed:?}");
    let report: serde_json::Value = serde_json::from_str(&printed.out).unwrap();
    assert_eq!(report["counts"]["queued"], 10);
    assert_eq!(report["lost"], 10);

    let missing = format!("http://{}", SocketAddr::from(([127, 0, 0, 1], 1)));
    let printed = run(&["load", "--url", &missing, "--crowd", "5"]);
    assert_eq!(printed.status, Some(3), "{printed:?}");
    assert!(
        printed.err.contains("could not read what is on sale"),
        "{printed:?}"
    );
}
