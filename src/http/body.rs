//! The body of a request, read whole: within a limit and a time.

use std::time::Duration;

use rocket::data::{ByteUnit, Data};
use rocket::request::Request;
use rocket::tokio::io::{AsyncRead, AsyncReadExt};
use rocket::tokio::time::{Instant, timeout_at};

use crate::model::error::{Error, Result};

/// So much of a body that is too long is read all the same, in bytes: clients and proxies that have not sent
/// everything when the answer comes report an error instead of it.
const DISCARDED: u64 = 16 * 1024 * 1024;

/// How long a body may take.
#[derive(Debug, Clone, Copy)]
struct Patience {
    /// Between two pieces.
    pause: Duration,
    /// In all.
    whole: Duration,
}

const PATIENCE: Patience = Patience { pause: Duration::from_secs(10), whole: Duration::from_secs(30) };

/// Reads a body of at most `limit` bytes.
pub(crate) async fn read(data: Data<'_>, limit: u64) -> Result<Vec<u8>> {
    let most = limit.saturating_add(DISCARDED);
    read_all(data.open(ByteUnit::from(most)), limit, PATIENCE).await
}

/// Makes sure that a body is sent as it is.
///
/// # Errors
/// [`Error::UnsupportedCoding`]
pub(crate) fn require_plain(request: &Request<'_>) -> Result<()> {
    let codings = request.headers().get("Content-Encoding").flat_map(|header| header.split(','));
    match codings.map(str::trim).find(|coding| !coding.eq_ignore_ascii_case("identity")) {
        Some(coding) => Err(Error::UnsupportedCoding(coding.to_owned())),
        None => Ok(()),
    }
}

async fn read_all(mut stream: impl AsyncRead + Unpin, limit: u64, patience: Patience) -> Result<Vec<u8>> {
    let end = Instant::now() + patience.whole;
    let (mut body, mut length) = (Vec::new(), 0_u64);
    loop {
        let deadline = end.min(Instant::now() + patience.pause);
        match timeout_at(deadline, stream.read_buf(&mut body)).await {
            Err(_) => return Err(Error::Timeout),
            Ok(Err(_)) => return Err(Error::Malformed("The request body could not be read.".to_owned())),
            Ok(Ok(0)) => break,
            Ok(Ok(more)) => length = length.saturating_add(more as u64),
        }
        if length > limit {
            body.clear();
        }
    }
    if length > limit { Err(Error::TooLarge(limit)) } else { Ok(body) }
}

#[cfg(test)]
mod tests {
    use rocket::tokio;
    use rocket::tokio::io::AsyncWriteExt;
    use rocket::tokio::time::sleep;

    use super::*;

    const SHORT: Patience = Patience { pause: Duration::from_millis(200), whole: Duration::from_millis(600) };

    #[rocket::async_test]
    async fn rl_7_a_body_that_does_not_come_in_time_is_given_up() {
        let (mut client, server) = tokio::io::duplex(64);
        client.write_all(b"some of it").await.unwrap();
        assert!(matches!(read_all(server, 100, SHORT).await, Err(Error::Timeout)), "nothing for too long");
        let (mut client, server) = tokio::io::duplex(64);
        let drip = async {
            while client.write_all(b"x").await.is_ok() {
                sleep(SHORT.pause / 4).await;
            }
        };
        tokio::select! {
            () = drip => panic!("cut without an answer"),
            body = read_all(server, 100, SHORT) => assert!(matches!(body, Err(Error::Timeout)), "too little"),
        }
    }

    #[rocket::async_test]
    async fn a_body_may_pause_and_a_long_one_is_read_to_its_end_and_refused() {
        let (mut client, server) = tokio::io::duplex(64);
        let pieces = async move {
            for _ in 0..3 {
                client.write_all(b"piece").await.unwrap();
                sleep(SHORT.pause / 4).await;
            }
        };
        let (body, ()) = tokio::join!(read_all(server, 15, SHORT), pieces);
        assert_eq!(body.unwrap(), b"piecepiecepiece");
        let (mut client, server) = tokio::io::duplex(64);
        let sent = tokio::spawn(async move { client.write_all(&vec![b'x'; 100_000]).await });
        assert!(matches!(read_all(server, 15, SHORT).await, Err(Error::TooLarge(15))));
        assert!(sent.await.unwrap().is_ok(), "the client could send all of it");
    }
}
