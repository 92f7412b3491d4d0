//! A mail server of the suite's own.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rocket::tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader, split};
use rocket::tokio::net::{TcpListener, TcpStream};
use rocket::tokio::task::JoinHandle;
use rocket::tokio::time::sleep;
use tokio_rustls::TlsAcceptor;

/// A message as a mail server gets it.
#[derive(Debug, Clone)]
pub(crate) struct Received {
    pub(crate) to: Vec<String>,
    pub(crate) text: String,
}

/// How a mail server protects its connections.
#[derive(Clone)]
pub(super) enum Protection {
    /// Not at all.
    None,
    /// After STARTTLS.
    Starttls(TlsAcceptor),
    /// From the first byte on.
    Tls(TlsAcceptor),
}

/// A mail server that keeps what it gets. It takes nothing for recipients whose address has `refused` in it, and nothing
/// yet for those with `later`.
pub(crate) struct Sink {
    pub(crate) port: u16,
    received: Arc<Mutex<Vec<Received>>>,
    /// All commands.
    pub(super) commands: Arc<Mutex<Vec<String>>>,
    /// Whether it is later.
    is_later: Arc<AtomicBool>,
    task: JoinHandle<()>,
}

impl Sink {
    pub(crate) async fn start() -> Self {
        Self::slow(Duration::ZERO).await
    }

    /// One that says nothing for a while to clients that connect.
    pub(crate) async fn slow(pause: Duration) -> Self {
        Self::serving(pause, Protection::None).await
    }

    pub(super) async fn protected(protection: Protection) -> Self {
        Self::serving(Duration::ZERO, protection).await
    }

    async fn serving(pause: Duration, protection: Protection) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let received = Arc::new(Mutex::new(Vec::new()));
        let commands = Arc::new(Mutex::new(Vec::new()));
        let is_later = Arc::new(AtomicBool::new(false));
        let (kept, heard, later) = (received.clone(), commands.clone(), is_later.clone());
        let task = rocket::tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (kept, heard, later) = (kept.clone(), heard.clone(), later.clone());
                let protection = protection.clone();
                rocket::tokio::spawn(async move {
                    sleep(pause).await;
                    match protection {
                        Protection::None => greet_and_serve(stream, kept, heard, later).await,
                        // A client that does not trust the certificate goes.
                        Protection::Tls(acceptor) => {
                            if let Ok(stream) = acceptor.accept(stream).await {
                                greet_and_serve(stream, kept, heard, later).await;
                            }
                        }
                        Protection::Starttls(acceptor) => {
                            let stream = until_starttls(stream, &heard).await;
                            if let Ok(stream) = acceptor.accept(stream).await {
                                serve(stream, kept, heard, later).await;
                            }
                        }
                    }
                });
            }
        });
        Self { port, received, commands, is_later, task }
    }

    /// Takes no more connections.
    pub(super) async fn stop(self) {
        self.task.abort();
        let _ = self.task.await;
    }

    /// From here on it takes what it put off.
    pub(super) fn put_off_no_longer(&self) {
        self.is_later.store(true, Ordering::SeqCst);
    }

    pub(crate) fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }

    /// What was received when there are so many messages.
    pub(super) async fn wait_for(&self, count: usize) -> Vec<Received> {
        for _ in 0..1500 {
            if self.received().len() >= count {
                return self.received();
            }
            sleep(Duration::from_millis(20)).await;
        }
        panic!("{} instead of {count} messages", self.received().len());
    }
}

/// What is said in the open.
async fn until_starttls(mut stream: TcpStream, heard: &Mutex<Vec<String>>) -> TcpStream {
    stream.write_all(b"220 sink ESMTP\r\n").await.unwrap();
    let mut lines = BufReader::new(&mut stream).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        heard.lock().unwrap().push(line.clone());
        let is_over = line == "STARTTLS";
        let answer = if is_over { "220 Go on\r\n" } else { "250-sink\r\n250 STARTTLS\r\n" };
        lines.get_mut().write_all(answer.as_bytes()).await.unwrap();
        if is_over {
            break;
        }
    }
    drop(lines);
    stream
}

async fn greet_and_serve(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    kept: Arc<Mutex<Vec<Received>>>,
    heard: Arc<Mutex<Vec<String>>>,
    is_later: Arc<AtomicBool>,
) {
    stream.write_all(b"220 sink ESMTP\r\n").await.unwrap();
    stream.flush().await.unwrap();
    serve(stream, kept, heard, is_later).await;
}

async fn serve(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    kept: Arc<Mutex<Vec<Received>>>,
    heard: Arc<Mutex<Vec<String>>>,
    is_later: Arc<AtomicBool>,
) {
    let (reading, mut writing) = split(stream);
    let mut lines = BufReader::new(reading).lines();
    let mut message = Received { to: Vec::new(), text: String::new() };
    while let Ok(Some(line)) = lines.next_line().await {
        heard.lock().unwrap().push(line.clone());
        let command = line.to_ascii_uppercase();
        let answer = if command.starts_with("EHLO") {
            "250-sink\r\n250 AUTH PLAIN"
        } else if command.starts_with("AUTH") {
            "235 2.7.0 Welcome"
        } else if command.starts_with("RCPT") && command.contains("REFUSED") {
            "550 5.1.1 No such mailbox <b>here</b>"
        } else if command.starts_with("RCPT") && command.contains("LATER") && !is_later.load(Ordering::SeqCst)
        {
            "451 4.7.1 Greylisted, come back"
        } else if command.starts_with("RCPT") {
            message.to.push(line.split(['<', '>']).nth(1).unwrap_or_default().to_owned());
            "250 OK"
        } else if command.starts_with("DATA") {
            writing.write_all(b"354 Go on\r\n").await.unwrap();
            while let Ok(Some(line)) = lines.next_line().await {
                if line == "." {
                    break;
                }
                message.text.push_str(&line);
                message.text.push('\n');
            }
            kept.lock().unwrap().push(message.clone());
            message = Received { to: Vec::new(), text: String::new() };
            "250 2.0.0 Queued as 4711"
        } else if command.starts_with("QUIT") {
            "221 Bye"
        } else {
            "250 OK"
        };
        writing.write_all(format!("{answer}\r\n").as_bytes()).await.unwrap();
        writing.flush().await.unwrap();
        if answer.starts_with("221") {
            return;
        }
    }
}
