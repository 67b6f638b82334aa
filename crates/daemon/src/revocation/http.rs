//! A client of HTTP/1.1 (RFC 9112), as small as fetching CRLs and OCSP answers needs it: one request for each connection,
//! nothing kept between them, and every length and time bounded.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use super::body::{BodyError, Framing, Reader};
use super::url::Url;
use crate::net;

/// What to ask for.
#[derive(Clone, Debug)]
pub struct Request {
    /// Where.
    pub url: Url,
    /// What is posted, with its type; nothing: GET.
    pub post: Option<(&'static str, Vec<u8>)>,
    /// The type that is expected.
    pub accept: &'static str,
    /// The most octets that are taken.
    pub most: usize,
}

/// What came.
#[derive(Clone, Debug)]
pub struct Response {
    /// Its Content-Type.
    pub content_type: Option<String>,
    /// The octets.
    pub body: Vec<u8>,
}

/// Times that a fetch may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// One connection.
    pub connect: Duration,
    /// All of it.
    pub whole: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(4),
            whole: Duration::from_secs(30),
        }
    }
}

/// Why nothing came.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HttpError {
    /// The name.
    #[error("{0}")]
    Resolve(#[from] net::NetError),
    /// Nobody is there.
    #[error("no connection to {0} ({1})")]
    Connect(SocketAddr, std::io::Error),
    /// It takes too long.
    #[error("no whole answer within {0:?}")]
    Slow(Duration),
    /// The connection broke.
    #[error("the connection broke ({0})")]
    Io(#[from] std::io::Error),
    /// It speaks no HTTP.
    #[error("the answer is no HTTP ({0})")]
    Head(String),
    /// Another status than 200.
    #[error("the server answers {0}")]
    Status(String),
    /// The body.
    #[error("{0}")]
    Body(#[from] BodyError),
    /// It leads elsewhere.
    #[error("the server sends us elsewhere: {0}")]
    Redirect(String),
}

const MOST_ADDRESSES: usize = 4;
const MOST_REDIRECTS: usize = 3;
const MOST_HEADERS: usize = 64;
const LONGEST_HEAD: usize = 16 << 10;
const MOST_INTERIM: usize = 4;

/// Fetches, over sockets with this mark.
pub async fn fetch(request: &Request, mark: u32, limits: Limits) -> Result<Response, HttpError> {
    let redirected = async {
        let mut request = request.clone();
        for _ in 0..=MOST_REDIRECTS {
            match once(&request, mark, limits).await? {
                Answer::Done(response) => return Ok(response),
                Answer::Elsewhere(location) if request.post.is_none() => {
                    request.url = request.url.join(&location).map_err(HttpError::Redirect)?;
                }
                Answer::Elsewhere(location) => return Err(HttpError::Redirect(plain(&location))),
            }
        }
        Err(HttpError::Redirect("again and again".into()))
    };
    timeout(limits.whole, redirected)
        .await
        .map_err(|_| HttpError::Slow(limits.whole))?
}

async fn once(request: &Request, mark: u32, limits: Limits) -> Result<Answer, HttpError> {
    let mut last = None;
    let addresses = net::resolve(&request.url.host).await?;
    for address in addresses.into_iter().take(MOST_ADDRESSES) {
        let address = SocketAddr::new(address, request.url.port);
        match timeout(limits.connect, net::connect(address, mark)).await {
            Ok(Ok(stream)) => return exchange(stream, request).await,
            Ok(Err(error)) => last = Some(HttpError::Connect(address, error)),
            Err(_) => {
                let slow = std::io::Error::new(
                    std::io::ErrorKind::TimedOut,
                    format!("nothing within {:?}", limits.connect),
                );
                last = Some(HttpError::Connect(address, slow));
            }
        }
    }
    Err(last.unwrap_or(HttpError::Slow(limits.connect)))
}

/// What one request led to.
#[derive(Debug)]
enum Answer {
    Done(Response),
    Elsewhere(String),
}

async fn exchange(mut stream: impl AsyncRead + AsyncWrite + Unpin, request: &Request) -> Result<Answer, HttpError> {
    let method = if request.post.is_some() { "POST" } else { "GET" };
    let mut head = format!(
        "{method} {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: handfast\r\nAccept: {}\r\nConnection: close\r\n",
        request.url.target,
        request.url.authority(),
        request.accept,
    );
    if let Some((kind, body)) = &request.post {
        head.push_str(&format!("Content-Type: {kind}\r\nContent-Length: {}\r\n", body.len()));
    }
    head.push_str("\r\n");
    let mut octets = head.into_bytes();
    octets.extend(request.post.iter().flat_map(|(_, body)| body));
    stream.write_all(&octets).await?;
    stream.flush().await?;
    let mut reader = Reader::new(stream);
    for _ in 0..MOST_INTERIM {
        let head = head_of(&mut reader).await?;
        match head.status {
            // Interim answers (RFC 9110 section 15.2).
            100..=199 => {}
            200 => {
                return Ok(Answer::Done(Response {
                    content_type: head.content_type,
                    body: reader.body(head.framing, request.most).await?,
                }));
            }
            301 | 302 | 303 | 307 | 308 => {
                let location = head.location.ok_or_else(|| HttpError::Redirect("nowhere".into()))?;
                return Ok(Answer::Elsewhere(location));
            }
            status => return Err(HttpError::Status(plain(&format!("{status} {}", head.reason)))),
        }
    }
    Err(HttpError::Head("interim answers without an end".into()))
}

struct Head {
    status: u16,
    reason: String,
    framing: Framing,
    content_type: Option<String>,
    location: Option<String>,
}

async fn head_of<S: AsyncRead + Unpin>(reader: &mut Reader<S>) -> Result<Head, HttpError> {
    let mut parsed = 0;
    loop {
        let held = reader.held();
        // Judged again only when there is more, so that a head that trickles costs no more than its length squared.
        if held.len() > parsed {
            parsed = held.len();
            let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
            let mut response = httparse::Response::new(&mut headers);
            match response.parse(held) {
                Ok(httparse::Status::Complete(length)) => {
                    let head = judge(&response)?;
                    reader.consume(length);
                    return Ok(head);
                }
                Ok(httparse::Status::Partial) if held.len() < LONGEST_HEAD => {}
                Ok(httparse::Status::Partial) => return Err(HttpError::Head("its head has no end".into())),
                Err(error) => return Err(HttpError::Head(error.to_string())),
            }
        }
        if reader.fill().await? == 0 {
            return Err(HttpError::Head("it ends within the head".into()));
        }
    }
}

fn judge(response: &httparse::Response<'_, '_>) -> Result<Head, HttpError> {
    let text = |value: &[u8]| plain(String::from_utf8_lossy(value).trim());
    let all = |name: &str| -> Vec<String> {
        let of = response
            .headers
            .iter()
            .filter(|header| header.name.eq_ignore_ascii_case(name));
        of.map(|header| text(header.value)).collect()
    };
    let bad = |what: &str, value: &str| Err(HttpError::Head(format!("{what} \"{value}\"")));
    if let Some(coding) = all("Content-Encoding")
        .iter()
        .find(|coding| !coding.eq_ignore_ascii_case("identity"))
    {
        return bad("it is encoded as", coding);
    }
    let (codings, mut lengths) = (all("Transfer-Encoding"), all("Content-Length"));
    lengths.dedup();
    // RFC 9112 section 6.3: a coding overrides the length; anything unclear is refused.
    let framing = match (&codings[..], &lengths[..]) {
        ([coding], _) if coding.eq_ignore_ascii_case("chunked") => Framing::Chunked,
        ([coding, ..], _) => return bad("an unknown transfer coding", coding),
        ([], []) => Framing::ToTheEnd,
        ([], [length]) => match length.parse() {
            Ok(length) if length_is_digits(&lengths) => Framing::Length(length),
            _ => return bad("a length of", length),
        },
        ([], [length, ..]) => return bad("several lengths, the first", length),
    };
    Ok(Head {
        status: response.code.unwrap_or_default(),
        reason: plain(response.reason.unwrap_or_default()),
        framing,
        content_type: all("Content-Type").into_iter().next(),
        location: all("Location").into_iter().next(),
    })
}

/// "+5" is a number to Rust and none to HTTP.
fn length_is_digits(lengths: &[String]) -> bool {
    lengths
        .iter()
        .all(|length| length.bytes().all(|octet| octet.is_ascii_digit()))
}

/// What a server wrote, for logs: short, and without control characters.
fn plain(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(200).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use tokio::io::AsyncReadExt;

    use super::*;

    /// What comes of an answer, and of the same answer octet by octet.
    async fn answered(answer: &[u8]) -> Result<Answer, HttpError> {
        let request = Request {
            url: Url::parse("http://ca.example:81/a?b").unwrap(),
            post: Some(("application/x", b"body".to_vec())),
            accept: "application/y",
            most: 100,
        };
        let mut outcomes = vec![];
        for piece in [answer.len().max(1), 1] {
            let (ours, mut theirs) = tokio::io::duplex(piece);
            let server = async {
                let mut asked = vec![];
                while !asked.ends_with(b"\r\n\r\nbody") {
                    theirs.read_buf(&mut asked).await.unwrap();
                }
                let asked = String::from_utf8(asked).unwrap();
                assert!(
                    asked.starts_with("POST /a?b HTTP/1.1\r\nHost: ca.example:81\r\n"),
                    "{asked}"
                );
                assert!(asked.ends_with("Content-Length: 4\r\n\r\nbody"), "{asked}");
                theirs.write_all(answer).await.ok();
                drop(theirs);
            };
            let (outcome, ()) = tokio::join!(exchange(ours, &request), server);
            outcomes.push(outcome);
        }
        let shown: Vec<String> = outcomes.iter().map(|outcome| format!("{outcome:?}")).collect();
        assert_eq!(shown[0], shown[1]);
        outcomes.remove(0)
    }

    async fn body(answer: &str) -> String {
        match answered(answer.as_bytes()).await {
            Ok(Answer::Done(response)) => String::from_utf8(response.body).unwrap(),
            other => panic!("{answer}: {other:?}"),
        }
    }

    async fn error(answer: &str) -> String {
        answered(answer.as_bytes()).await.unwrap_err().to_string()
    }

    #[tokio::test]
    async fn answers_of_every_framing() {
        assert_eq!(body("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc").await, "abc");
        assert_eq!(
            body("HTTP/1.1 200 OK\r\ncontent-length: 3\r\nContent-Length: 3\r\n\r\nabcd").await,
            "abc"
        );
        assert_eq!(body("HTTP/1.0 200 OK\r\n\r\nabc").await, "abc");
        assert_eq!(body("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await, "");
        let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 7\r\n\r\n";
        assert_eq!(
            body(&format!("{chunked}3\r\nabc\r\n0A;x=y\r\n0123456789\r\n0\r\n\r\n")).await,
            "abc0123456789"
        );
        assert_eq!(body("HTTP/1.1 103 Early\r\n\r\nHTTP/1.1 200 OK\r\n\r\nx").await, "x");
    }

    #[tokio::test]
    async fn refused_with_the_reason() {
        for (answer, reason) in [
            ("", "it ends within the head"),
            ("SSH-2.0-x\r\n", "no HTTP"),
            ("HTTP/1.1 404 Not Found\r\n\r\n", "the server answers 404 Not Found"),
            ("HTTP/1.1 204 No Content\r\n\r\n", "204"),
            (
                "HTTP/1.1 200 OK\r\nContent-Length: 101\r\n\r\n",
                "more than the 100 octets",
            ),
            (
                "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n",
                "a length of",
            ),
            ("HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\nabcde", "a length of"),
            (
                "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
                "several lengths",
            ),
            ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc", "ends before"),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
                "an unknown transfer coding",
            ),
            (
                "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\nabc",
                "it is encoded as \"gzip\"",
            ),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
                "its chunks",
            ),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcde\r\n",
                "its chunks",
            ),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
                "more than the 100",
            ),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
                "ends before",
            ),
            ("HTTP/1.1 302 Found\r\n\r\n", "elsewhere: nowhere"),
        ] {
            let found = error(answer).await;
            assert!(found.contains(reason), "{answer}: {found}");
        }
        let long = format!("HTTP/1.1 200 OK\r\nX: {}", "x".repeat(LONGEST_HEAD));
        assert!(error(&long).await.contains("its head has no end"));
        let endless = format!("HTTP/1.1 200 OK\r\n\r\n{}", "x".repeat(101));
        assert!(error(&endless).await.contains("more than the 100 octets"));
        let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "X: y\r\n".repeat(MOST_HEADERS + 1));
        assert!(error(&many).await.contains("too many headers"));
        assert!(
            error(&"HTTP/1.1 100 Continue\r\n\r\n".repeat(MOST_INTERIM))
                .await
                .contains("without an end")
        );
        let chunk = format!(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;{}",
            "x".repeat(2000)
        );
        assert!(error(&chunk).await.contains("its chunks"));
    }
}
