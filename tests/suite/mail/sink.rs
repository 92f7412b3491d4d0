//! A mail server of the suite's own.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use rocket::tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use rocket::tokio::net::{TcpListener, TcpStream};
use rocket::tokio::task::JoinHandle;
use rocket::tokio::time::sleep;

/// A message as a mail server gets it.
#[derive(Debug, Clone)]
pub(crate) struct Received {
    pub(crate) to: Vec<String>,
    pub(crate) text: String,
}

/// A mail server that keeps what it gets, and takes nothing for recipients whose address has `refused`
/// in it.
pub(crate) struct Sink {
    pub(crate) port: u16,
    received: Arc<Mutex<Vec<Received>>>,
    /// All commands.
    pub(super) commands: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl Sink {
    pub(crate) async fn start() -> Self {
        Self::slow(Duration::ZERO).await
    }

    /// One that says nothing for a while to clients that connect.
    pub(crate) async fn slow(pause: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let received = Arc::new(Mutex::new(Vec::new()));
        let commands = Arc::new(Mutex::new(Vec::new()));
        let (kept, heard) = (received.clone(), commands.clone());
        let task = rocket::tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (kept, heard) = (kept.clone(), heard.clone());
                rocket::tokio::spawn(async move {
                    sleep(pause).await;
                    serve(stream, kept, heard).await;
                });
            }
        });
        Self { port, received, commands, task }
    }

    /// Takes no more connections.
    pub(super) async fn stop(self) {
        self.task.abort();
        let _ = self.task.await;
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

async fn serve(stream: TcpStream, kept: Arc<Mutex<Vec<Received>>>, heard: Arc<Mutex<Vec<String>>>) {
    let (reading, mut writing) = stream.into_split();
    let mut lines = BufReader::new(reading).lines();
    let mut message = Received { to: Vec::new(), text: String::new() };
    writing.write_all(b"220 sink ESMTP\r\n").await.unwrap();
    while let Ok(Some(line)) = lines.next_line().await {
        heard.lock().unwrap().push(line.clone());
        let command = line.to_ascii_uppercase();
        let answer = if command.starts_with("EHLO") {
            "250-sink\r\n250 AUTH PLAIN"
        } else if command.starts_with("AUTH") {
            "235 2.7.0 Welcome"
        } else if command.starts_with("RCPT") && command.contains("REFUSED") {
            "550 5.1.1 No such mailbox <b>here</b>"
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
        if answer.starts_with("221") {
            return;
        }
    }
}
