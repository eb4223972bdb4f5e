//! An HTTP client that hides nothing: one connection a request, raw bytes if need be.

use std::{collections::BTreeMap, net::SocketAddr};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
    time::timeout,
};

use super::PATIENCE;

/// Talks to one address.
#[derive(Debug, Clone, Copy)]
pub struct Client {
    pub address: SocketAddr,
    /// The address that it connects from, unless the system chooses.
    pub from: Option<SocketAddr>,
}

/// What came back.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    /// Names in lower case.
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

impl Client {
    pub fn new(address: SocketAddr) -> Self {
        Self {
            address,
            from: None,
        }
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.request("GET", path, &[], b"").await
    }

    pub async fn get_as(&self, path: &str, token: &str) -> Answer {
        let bearer = format!("Bearer {token}");
        self.request("GET", path, &[("authorization", &bearer)], b"")
            .await
    }

    pub async fn buy(&self, product: &str, user: &str, key: &str) -> Answer {
        let body = json!({ "productId": product, "userId": user }).to_string();
        self.post_buy(&[("idempotency-key", key)], body.as_bytes())
            .await
    }

    pub async fn buy_as(&self, product: &str, token: &str, key: &str) -> Answer {
        let bearer = format!("Bearer {token}");
        let headers = [("idempotency-key", key), ("authorization", bearer.as_str())];
        let body = json!({ "productId": product }).to_string();
        self.post_buy(&headers, body.as_bytes()).await
    }

    /// `POST /buy` of JSON with these further headers.
    pub async fn post_buy(&self, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let mut all = vec![("content-type", "application/json")];
        all.extend(headers);
        self.request("POST", "/buy", &all, body).await
    }

    /// The value of one metric, where this is the address of probes.
    pub async fn metric(&self, name: &str) -> Option<f64> {
        let text = self.get("/metrics").await.text();
        text.lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
    }

    pub async fn request(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Answer {
        let mut head =
            format!("{method} {path} HTTP/1.1\r\nhost: gateway\r\nconnection: close\r\n");
        for (name, value) in headers {
            head.extend([name, ": ", value, "\r\n"]);
        }
        if !body.is_empty() || method == "POST" {
            head.extend(["content-length: ", &body.len().to_string(), "\r\n"]);
        }
        let bytes = [head.as_bytes(), b"\r\n", body].concat();
        self.raw(&bytes).await
    }

    async fn connect(&self) -> std::io::Result<TcpStream> {
        let socket = TcpSocket::new_v4()?;
        if let Some(from) = self.from {
            socket.bind(from)?;
        }
        socket.connect(self.address).await
    }

    /// Sends bytes as they are and reads until the gateway closes.
    pub async fn raw(&self, bytes: &[u8]) -> Answer {
        Answer::parse(&self.exchange(bytes, false).await)
    }

    /// The same, with the sending side closed after the bytes.
    pub async fn raw_half_closed(&self, bytes: &[u8]) -> Answer {
        Answer::parse(&self.exchange(bytes, true).await)
    }

    /// Sends several requests at once and reads their answers until the gateway closes.
    pub async fn pipeline(&self, bytes: &[u8]) -> Vec<Answer> {
        Answer::parse_all(&self.exchange(bytes, false).await)
    }

    async fn exchange(&self, bytes: &[u8], is_half_closed: bool) -> Vec<u8> {
        let exchange = async {
            let mut stream = self.connect().await.unwrap();
            // The gateway may refuse before it has read everything.
            let _ = stream.write_all(bytes).await;
            if is_half_closed {
                let _ = stream.shutdown().await;
            }
            let mut answer = Vec::new();
            let _ = stream.read_to_end(&mut answer).await;
            answer
        };
        timeout(PATIENCE, exchange)
            .await
            .expect("an answer in time")
    }
}

impl Answer {
    pub fn parse(bytes: &[u8]) -> Self {
        let end = bytes
            .windows(4)
            .position(|window| window == b"\r\n\r\n")
            .unwrap_or_else(|| panic!("no HTTP answer: {:?}", String::from_utf8_lossy(bytes)));
        let head = std::str::from_utf8(&bytes[..end]).unwrap();
        let mut lines = head.split("\r\n");
        let status = lines
            .next()
            .unwrap()
            .split(' ')
            .nth(1)
            .unwrap()
            .parse()
            .unwrap();
        let headers: BTreeMap<String, String> = lines
            .map(|line| line.split_once(": ").unwrap())
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        let mut body = bytes[end + 4..].to_vec();
        if headers
            .get("transfer-encoding")
            .is_some_and(|coding| coding == "chunked")
        {
            body = unchunked(&body);
        }
        Self {
            status,
            headers,
            body,
        }
    }

    /// Answers that follow one another, each with its Content-Length.
    fn parse_all(mut bytes: &[u8]) -> Vec<Self> {
        let mut answers = Vec::new();
        while !bytes.is_empty() {
            let mut answer = Self::parse(bytes);
            let length = answer.header("content-length").unwrap_or("0");
            let length: usize = length.parse().unwrap();
            bytes = &bytes[bytes.len() - answer.body.len() + length..];
            answer.body.truncate(length);
            answers.push(answer);
        }
        answers
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    pub fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error} in {:?}", self.text()))
    }

    /// The last part of the problem's `type`, after checking that this is a proper problem
    /// document.
    pub fn problem(&self) -> String {
        assert_eq!(
            self.header("content-type"),
            Some("application/problem+json"),
            "{self:?}"
        );
        let document = self.json();
        assert_eq!(document["status"], self.status, "{document}");
        assert!(!document["title"].as_str().unwrap().is_empty());
        assert!(!document["detail"].as_str().unwrap().is_empty());
        let kind = document["type"].as_str().unwrap();
        kind.strip_prefix("https://flashsale.dev/problems/")
            .unwrap()
            .to_owned()
    }

    /// Whether it says to come back in one second or two.
    pub fn asks_to_come_back_soon(&self) -> bool {
        matches!(self.header("retry-after"), Some("1" | "2"))
    }

    /// The job id of an acknowledgement.
    pub fn job_id(&self) -> String {
        assert_eq!(self.status, 200, "{}", self.text());
        self.json()["jobId"].as_str().unwrap().to_owned()
    }
}

fn unchunked(mut body: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    while let Some(at) = body.windows(2).position(|window| window == b"\r\n") {
        let size = usize::from_str_radix(std::str::from_utf8(&body[..at]).unwrap(), 16).unwrap();
        whole.extend_from_slice(&body[at + 2..at + 2 + size]);
        body = &body[at + 4 + size..];
        if size == 0 {
            break;
        }
    }
    whole
}
