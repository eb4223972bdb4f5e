//! What both ends of a link notice when the proxy between them fails on command.
#![allow(
    clippy::unwrap_used,
    reason = "clippy.toml covers test functions, not what they call"
)]

use std::{
    io::ErrorKind,
    net::SocketAddr,
    time::{Duration, Instant},
};

use flashsale_testbed::fault_proxy::{Direction, End, FaultProxy, Flow};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::timeout,
};

/// More than anything here takes on a busy machine.
const LONG: Duration = Duration::from_secs(10);

/// How long nothing must arrive to call a link silent.
const QUIET: Duration = Duration::from_millis(100);

/// A server that answers each byte by `answer`.
async fn server(answer: u8) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                while stream.read_exact(&mut [0]).await.is_ok() {
                    if stream.write_all(&[answer]).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    address
}

async fn start() -> (FaultProxy, TcpStream) {
    let proxy = FaultProxy::start(server(b'!').await).await.unwrap();
    let mut client = connect(&proxy).await;
    assert_eq!(ask(&mut client).await, Some(b'!'));
    (proxy, client)
}

async fn connect(proxy: &FaultProxy) -> TcpStream {
    let stream = TcpStream::connect(proxy.address()).await.unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

/// The answer to one byte; none when the link is silent.
async fn ask(stream: &mut TcpStream) -> Option<u8> {
    stream.write_all(b"?").await.unwrap();
    hear(stream, QUIET).await
}

async fn hear(stream: &mut TcpStream, longest: Duration) -> Option<u8> {
    let mut answer = [0];
    let heard = timeout(longest, stream.read_exact(&mut answer)).await;
    heard.ok().map(|read| {
        read.unwrap();
        answer[0]
    })
}

#[tokio::test]
async fn each_direction_falls_silent_by_itself_and_what_was_sent_arrives_late() {
    for direction in [Direction::ToTarget, Direction::ToClient] {
        let (proxy, mut client) = start().await;
        proxy.set(direction, Flow::Silent);
        assert_eq!(ask(&mut client).await, None, "{direction:?}");
        proxy.heal();
        assert_eq!(hear(&mut client, LONG).await, Some(b'!'), "{direction:?}");
    }
}

#[tokio::test]
async fn a_new_connection_over_a_silent_link_is_taken_and_not_answered() {
    let (proxy, _client) = start().await;
    proxy.set_both(Flow::Silent);
    let mut second = connect(&proxy).await;
    assert_eq!(ask(&mut second).await, None);
    proxy.heal();
    assert_eq!(hear(&mut second, LONG).await, Some(b'!'));
}

#[tokio::test]
async fn each_direction_is_delayed_by_itself_and_healing_lets_everything_through() {
    let (proxy, mut client) = start().await;
    let delay = Duration::from_millis(60);
    proxy.set(Direction::ToTarget, Flow::Delayed(delay));
    let started = Instant::now();
    client.write_all(b"?").await.unwrap();
    assert_eq!(hear(&mut client, LONG).await, Some(b'!'));
    assert!(started.elapsed() >= delay);

    proxy.set(Direction::ToClient, Flow::Delayed(LONG * 10));
    assert_eq!(ask(&mut client).await, None);
    proxy.heal();
    assert_eq!(hear(&mut client, LONG).await, Some(b'!'));
}

/// The timer of tokio alone would make two milliseconds or more of one.
#[tokio::test]
async fn a_delay_is_met_to_the_fraction_of_a_millisecond() {
    let (proxy, mut client) = start().await;
    let one_way = Duration::from_micros(500);
    proxy.set_both(Flow::Delayed(one_way));
    let mut quickest = LONG;
    for _ in 0..50 {
        let started = Instant::now();
        assert_eq!(ask(&mut client).await, Some(b'!'));
        quickest = quickest.min(started.elapsed());
    }
    // The quickest of many was held up by nothing but the delay.
    let round_trip = one_way * 2;
    assert!(
        (round_trip..round_trip * 2).contains(&quickest),
        "{quickest:?}"
    );
}

/// A link does not send one chunk after the other.
#[tokio::test]
async fn many_bytes_are_on_their_way_at_a_time_and_arrive_in_order() {
    let (proxy, mut client) = start().await;
    let delay = Duration::from_millis(100);
    proxy.set(Direction::ToTarget, Flow::Delayed(delay));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    proxy.lead_to(listener.local_addr().unwrap());
    client.shutdown().await.unwrap();
    let mut sender = connect(&proxy).await;
    let (mut server, _) = listener.accept().await.unwrap();
    let sent: Vec<u8> = (0..4_000_000_u32).map(|byte| (byte % 251) as u8).collect();
    let started = Instant::now();
    let ((), received) = tokio::join!(
        async {
            sender.write_all(&sent).await.unwrap();
            sender.shutdown().await.unwrap();
        },
        async {
            let mut received = Vec::new();
            server.read_to_end(&mut received).await.unwrap();
            received
        }
    );
    assert!(received == sent);
    // Chunk after chunk would take 24 s.
    assert!(started.elapsed() < LONG, "{:?}", started.elapsed());
}

#[tokio::test]
async fn connections_are_closed_or_reset_and_new_ones_are_taken() {
    let (proxy, mut client) = start().await;
    proxy.end_all(End::Close);
    assert_eq!(client.read(&mut [0]).await.unwrap(), 0);

    let mut client = connect(&proxy).await;
    assert_eq!(ask(&mut client).await, Some(b'!'));
    proxy.end_all(End::Reset);
    let error = client.read(&mut [0]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);

    assert_eq!(ask(&mut connect(&proxy).await).await, Some(b'!'));
}

#[tokio::test]
async fn refused_connections_are_taken_again_at_the_same_address() {
    let (proxy, mut client) = start().await;
    proxy.refuse().await;
    let error = TcpStream::connect(proxy.address()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    assert_eq!(ask(&mut client).await, Some(b'!'), "this one was there");

    proxy.cut(End::Reset).await;
    client.read(&mut [0]).await.unwrap_err();
    proxy.heal();
    let deadline = Instant::now() + LONG;
    let mut again = loop {
        match TcpStream::connect(proxy.address()).await {
            Ok(stream) => break stream,
            Err(error) => assert!(Instant::now() < deadline, "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    };
    assert_eq!(ask(&mut again).await, Some(b'!'));
}

#[tokio::test]
async fn old_connections_are_swallowed_for_good_while_new_ones_work() {
    let (proxy, mut old) = start().await;
    proxy.swallow_present();
    assert_eq!(ask(&mut connect(&proxy).await).await, Some(b'!'));
    assert_eq!(ask(&mut old).await, None);
    proxy.heal();
    assert_eq!(hear(&mut old, QUIET).await, None);
    proxy.end_all(End::Reset);
    old.read(&mut [0]).await.unwrap_err();
}

#[tokio::test]
async fn new_connections_lead_to_the_new_target() {
    let (proxy, mut old) = start().await;
    proxy.lead_to(server(b'2').await);
    assert_eq!(ask(&mut connect(&proxy).await).await, Some(b'2'));
    assert_eq!(ask(&mut old).await, Some(b'!'));
}

#[tokio::test]
async fn a_dead_target_and_a_dropped_proxy_end_connections() {
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = nobody.local_addr().unwrap();
    drop(nobody);
    let proxy = FaultProxy::start(address).await.unwrap();
    let mut client = connect(&proxy).await;
    client.read(&mut [0]).await.unwrap_err();

    let (proxy, mut client) = start().await;
    assert_eq!(proxy.accepted(), 1);
    assert_eq!(proxy.connections(), 1);
    drop(proxy);
    client.read(&mut [0]).await.unwrap_err();
}

#[tokio::test]
async fn many_bytes_arrive_whole_and_in_order_whatever_happens_on_the_way() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = FaultProxy::start(listener.local_addr().unwrap())
        .await
        .unwrap();
    let sent: Vec<u8> = (0..8_000_000_u32).map(|byte| (byte % 251) as u8).collect();
    let mut client = connect(&proxy).await;
    let (mut served, _) = listener.accept().await.unwrap();
    let bytes = sent.clone();
    let sending = tokio::spawn(async move {
        client.write_all(&bytes).await.unwrap();
        client.shutdown().await.unwrap();
        client
    });
    let trouble = async {
        for flow in [
            Flow::Silent,
            Flow::Delayed(Duration::from_millis(5)),
            Flow::Silent,
            Flow::Pass,
        ] {
            proxy.set_both(flow);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let mut received = Vec::new();
    let reading = timeout(LONG, served.read_to_end(&mut received));
    let (read, ()) = tokio::join!(reading, trouble);
    read.unwrap().unwrap();
    assert!(received == sent);
    sending.await.unwrap();
}

#[tokio::test]
async fn addresses_of_stores_keep_everything_but_host_and_port() {
    let proxy = FaultProxy::start(server(b'!').await).await.unwrap();
    let address = proxy.address();
    for (url, proxied) in [
        (
            "redis://:pw@127.0.0.1:1/",
            format!("redis://:pw@{address}/"),
        ),
        (
            "postgres://u:p@h/db?x=1",
            format!("postgres://u:p@{address}/db?x=1"),
        ),
        ("redis://h", format!("redis://{address}")),
    ] {
        assert_eq!(proxy.url(url), Some(proxied));
    }
    assert_eq!(proxy.url("h:1"), None);
}

#[tokio::test]
async fn a_limited_direction_is_as_slow_for_all_connections_together() {
    let (proxy, mut first) = start().await;
    let mut second = connect(&proxy).await;
    let before = proxy.forwarded(Direction::ToTarget);
    proxy.set(
        Direction::ToTarget,
        Flow::Limited(100_000.try_into().unwrap()),
    );
    let begin = Instant::now();
    let questions = vec![b'?'; 20_000];
    let mut answers = (vec![0; 20_000], vec![0; 20_000]);
    first.write_all(&questions).await.unwrap();
    second.write_all(&questions).await.unwrap();
    let both = async {
        tokio::try_join!(
            first.read_exact(&mut answers.0),
            second.read_exact(&mut answers.1)
        )
    };
    timeout(LONG, both).await.unwrap().unwrap();
    // 40,000 bytes take 400 ms, less what an idle direction makes up for.
    assert!(begin.elapsed() >= Duration::from_millis(380));
    assert_eq!(proxy.forwarded(Direction::ToTarget) - before, 40_000);
}
