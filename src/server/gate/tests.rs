//! The gate over real connections, with little patience.

use std::net::SocketAddr;

use rocket::data::ToByteUnit;
use rocket::request::{FromRequest, Outcome, Request};
use rocket::tokio::io::{AsyncReadExt, AsyncWriteExt};
use rocket::tokio::sync::oneshot;
use rocket::{Data, get, post, routes};

use super::*;

const PATIENCE: Patience = Patience {
    head: Duration::from_millis(300),
    idle: Duration::from_millis(600),
    scarce: Duration::from_millis(100),
    pause: Duration::from_millis(300),
    body: Duration::from_millis(900),
    stall: Duration::from_millis(300),
};
/// Longer than any patience.
const LONG: Duration = Duration::from_secs(1);
/// Nothing here takes so long unless it hangs.
const HANGS: Duration = Duration::from_secs(20);
/// More than the operating system keeps for a client that does not read.
const BIG: usize = 64 * 1024 * 1024;

#[post("/echo", data = "<data>")]
async fn echo(data: Data<'_>) -> Result<Vec<u8>, rocket::http::Status> {
    match data.open(64.kibibytes()).into_bytes().await {
        Ok(bytes) if bytes.is_complete() => Ok(bytes.into_inner()),
        _ => Err(rocket::http::Status::PayloadTooLarge),
    }
}

#[get("/slow")]
async fn slow() -> &'static str {
    sleep(LONG).await;
    "done"
}

#[get("/big")]
fn big() -> Vec<u8> {
    vec![b'x'; BIG]
}

#[get("/small")]
fn small() -> &'static str {
    "small"
}

/// The credentials that Rocket was given.
struct Said(String);

#[rocket::async_trait]
impl<'r> FromRequest<'r> for Said {
    type Error = Infallible;

    async fn from_request(request: &'r Request<'_>) -> Outcome<Self, Infallible> {
        let authorization = request.headers().get_one("Authorization").unwrap_or_default();
        let cookie = request.cookies().get("ours").map_or("", |cookie| cookie.value());
        Outcome::Success(Self(format!("{authorization} {cookie}")))
    }
}

#[get("/said")]
fn said(said: Said) -> String {
    said.0
}

/// A gate that listens, until it is told to stop.
struct Open {
    gate: &'static Gate,
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    served: tokio::task::JoinHandle<()>,
}

async fn open(connections: usize) -> Open {
    patient(connections, PATIENCE).await
}

async fn patient(connections: usize, patience: Patience) -> Open {
    let rocket = rocket::custom(crate::config::defaults())
        .manage(Arc::<Traffic>::default())
        .attach(crate::http::headers::FormMethod)
        .attach(crate::http::headers::Headers)
        .mount("/", routes![echo, slow, big, small, said])
        .register("/", crate::api::catchers());
    let client = Client::untracked(rocket).await.unwrap();
    let settings = Settings { json_limit: 64 * 1024, ..Settings::default() };
    let mut gate = Gate::new(client, &settings, connections);
    gate.patience = patience;
    let gate: &'static Gate = Box::leak(Box::new(gate));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, told) = oneshot::channel();
    let stopped = async { drop(told.await) };
    let served = tokio::spawn(gate.serve(listener, stopped, Duration::ZERO, HANGS));
    Open { gate, address, stop, served }
}

impl Open {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends something and reads until the connection is closed.
    async fn say(&self, text: impl AsRef<[u8]>) -> String {
        let mut stream = self.connect().await;
        stream.write_all(text.as_ref()).await.unwrap();
        rest(&mut stream).await
    }

    /// Waits until nobody is connected.
    async fn is_empty(&self) -> bool {
        let empty = async {
            while self.gate.traffic.connections() > 0 {
                sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(HANGS, empty).await.is_ok()
    }
}

/// What still comes until the connection is closed.
async fn rest(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    // A connection that is reset is closed, too.
    drop(timeout(HANGS, stream.read_to_end(&mut answer)).await.expect("the connection is closed"));
    String::from_utf8(answer).unwrap()
}

fn get_request(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
}

fn post_head(length: usize) -> String {
    format!("POST /echo HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n")
}

#[rocket::async_test]
async fn rl_7_whoever_does_not_ask_is_cut() {
    let open = open(10).await;
    assert_eq!(open.say("").await, "", "no request at all");
    assert_eq!(open.say("GET /small HTTP/1.1\r\nHost: loc").await, "", "half a head");
    let mut dripping = open.connect().await;
    for byte in format!("GET /small HTTP/1.1\r\nX-Long: {}", "x".repeat(1000)).bytes() {
        if dripping.write_all(&[byte]).await.is_err() {
            break;
        }
        sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(rest(&mut dripping).await, "", "a byte now and then");
}

#[rocket::async_test]
async fn rl_7_a_connection_without_a_next_request_is_closed() {
    let open = open(10).await;
    let answer = open.say("GET /small HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.ends_with("small"), "{answer}");
    let mut stream = open.connect().await;
    for _ in 0..5 {
        stream.write_all(b"GET /small HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
        let mut answer = [0; 1024];
        assert!(stream.read(&mut answer).await.unwrap() > 0, "in between it is kept");
        sleep(PATIENCE.idle / 3).await;
    }
    assert_eq!(rest(&mut stream).await, "");
}

#[rocket::async_test]
async fn rl_7_a_body_that_does_not_come_is_answered_408() {
    let open = open(10).await;
    let answer = open.say(format!("{}hel", post_head(5))).await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(answer.contains("The request body did not arrive in time."), "{answer}");
    assert!(answer.contains("x-content-type-options: nosniff"), "hd_1: {answer}");
    let mut dripping = open.connect().await;
    dripping.write_all(post_head(1000).as_bytes()).await.unwrap();
    let (mut reader, mut writer) = dripping.split();
    let drip = async {
        while writer.write_all(b"x").await.is_ok() {
            sleep(PATIENCE.pause / 3).await;
        }
    };
    let mut answer = [0; 16];
    tokio::select! {
        () = drip => panic!("cut without an answer"),
        read = timeout(HANGS, reader.read_exact(&mut answer)) => { read.unwrap().unwrap(); }
    }
    assert!(answer.starts_with(b"HTTP/1.1 408 "), "a byte now and then is not enough");
}

#[rocket::async_test]
async fn rl_7_every_kind_of_slow_client_goes_away_although_it_would_stay() {
    let open = open(100).await;
    let keep = |text: String| text.replace("Connection: close\r\n", "");
    let mut streams = Vec::new();
    for text in [
        String::new(),
        "GET /sm".to_owned(),
        keep(get_request("/small")),
        keep(get_request("/small")).repeat(50),
        keep(get_request("/slow")),
        keep(get_request("/small")).repeat(3) + "GET /sm",
        keep(post_head(100)),
        keep(post_head(100)) + "some of it",
        keep(post_head(100 * 1024 * 1024)),
        keep(post_head(100)).replace("Content-Length: 100", "Transfer-Encoding: chunked"),
        keep(post_head(100)).replace("Content-Length: 100", "Transfer-Encoding: chunked") + "5\r\nhello\r\n",
        keep(get_request("/nothing")).replace("\r\n\r\n", "\r\nContent-Length: 100\r\n\r\n"),
    ] {
        let mut stream = open.connect().await;
        stream.write_all(text.as_bytes()).await.unwrap();
        streams.push((text, stream));
    }
    for (text, mut stream) in streams {
        let mut answer = Vec::new();
        let end = timeout(HANGS, stream.read_to_end(&mut answer)).await;
        assert!(end.is_ok(), "still there: {text}: {}", String::from_utf8_lossy(&answer));
    }
}

#[rocket::async_test]
async fn rl_7_a_client_that_does_not_read_its_answer_is_cut() {
    let open = open(10).await;
    let mut stream = open.connect().await;
    stream.write_all(get_request("/big").as_bytes()).await.unwrap();
    sleep(Duration::from_millis(50)).await;
    assert!(open.is_empty().await, "it was cut");
    let answer = open.say(get_request("/big")).await;
    assert!(answer.len() > BIG, "who reads gets all of it: {} bytes", answer.len());
}

/// Writes to a client that takes `piece` bytes between short pauses; whether it is cut meanwhile.
async fn is_cut_at(piece: usize) -> bool {
    let patience = Patience { stall: LONG, ..PATIENCE };
    let (ours, mut theirs) = tokio::io::duplex(piece);
    let room = Room { slots: Arc::new(Semaphore::new(1)), most: 1 };
    let mut paced = Paced::new(ours, Arc::new(Phase::default()), patience, room);
    let answer = tokio::spawn(async move { paced.write_all(&vec![b'x'; piece * 20]).await });
    for _ in 0..6 {
        sleep(patience.stall / 3).await;
        let mut taken = vec![0; piece];
        drop(theirs.read_exact(&mut taken).await);
    }
    // Whoever was not cut takes the rest at once.
    drop(theirs.read_to_end(&mut Vec::new()).await);
    answer.await.unwrap().is_err()
}

#[rocket::async_test]
async fn rl_7_a_client_that_takes_next_to_nothing_of_its_answer_is_cut() {
    assert!(is_cut_at(1).await, "a byte now and then is not enough");
    assert!(!is_cut_at(64 * 1024).await, "who pauses and then takes much is not cut");
}

#[rocket::async_test]
async fn our_own_slowness_cuts_nobody() {
    let open = open(10).await;
    let answer = open.say(get_request("/slow")).await;
    assert!(answer.ends_with("done"), "{answer}");
}

#[rocket::async_test]
async fn a_body_that_is_too_long_is_answered_413_after_it_was_sent() {
    let open = open(10).await;
    for length in [64 * 1024 + 1, 200 * 1024, 5 * 1024 * 1024] {
        let answer = open.say([post_head(length).into_bytes(), vec![b'x'; length]].concat()).await;
        assert!(answer.starts_with("HTTP/1.1 413 "), "{length}: {answer}");
    }
    let fits = open.say([post_head(64 * 1024).into_bytes(), vec![b'x'; 64 * 1024]].concat()).await;
    assert!(fits.starts_with("HTTP/1.1 200 ") && fits.len() > 64 * 1024, "{}", fits.len());
    let head = post_head(1024 * 1024).replace("\r\n\r\n", "\r\nExpect: 100-continue\r\n\r\n");
    assert!(open.say(head).await.starts_with("HTTP/1.1 413 "), "who asks first need not send it");
}

#[rocket::async_test]
async fn rl_7_long_bodies_share_memory_and_short_ones_need_none_of_it() {
    let open = open(10).await;
    let all = open.gate.bodies.available_permits();
    let taken = open.gate.bodies.acquire_many(u32::try_from(all).unwrap()).await.unwrap();
    let long = [post_head(64 * 1024).into_bytes(), vec![b'x'; 64 * 1024]].concat();
    let answer = open.say(&long).await;
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("retry-after: 2"), "{answer}");
    let short = [post_head(8 * 1024).into_bytes(), vec![b'x'; 8 * 1024]].concat();
    assert!(open.say(short).await.starts_with("HTTP/1.1 200 "));
    drop(taken);
    assert!(open.say(long).await.starts_with("HTTP/1.1 200 "));
    assert_eq!(open.gate.bodies.available_permits(), all, "memory is given back");
}

#[rocket::async_test]
async fn rl_7_one_address_has_a_quarter_of_the_memory_for_bodies() {
    let gate = open(10).await.gate;
    let enter = |address: &str| gate.crowd.enter(address.parse().unwrap()).unwrap();
    let take = |place: &Place| {
        let mut received = body::Received::default();
        gate.make_room(&mut received, 64 * 1024, place).is_ok().then_some(received)
    };
    let all = gate.bodies.available_permits();
    let (greedy, again, other, proxy) =
        (enter("192.0.2.1"), enter("192.0.2.1"), enter("192.0.2.2"), enter("127.0.0.1"));
    let mut bodies: Vec<_> = std::iter::from_fn(|| take(&greedy)).collect();
    assert!(take(&again).is_none(), "another connection has no share of its own");
    assert!(all - gate.bodies.available_permits() <= all / 4 && bodies.len() > 250);
    assert!(take(&other).is_some(), "others are not hurt");
    bodies.pop();
    assert!(take(&again).is_some(), "what was given back can be had");
    let count = std::iter::from_fn(|| take(&proxy)).map(|body| bodies.push(body)).count();
    assert!(count > 500, "a proxy speaks for many: {count}");
    drop(bodies);
    assert_eq!(gate.bodies.available_permits(), all);
}

#[rocket::async_test]
async fn more_connections_than_slots_wait_for_one() {
    let open = open(1).await;
    let mut first = open.connect().await;
    first.write_all(b"GET /small HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let mut answer = [0; 1024];
    assert!(first.read(&mut answer).await.unwrap() > 0);
    let second = open.say(get_request("/small")).await;
    assert!(second.ends_with("small"), "served when the first was idle for too long: {second}");
}

/// A connection on which something was asked and answered.
async fn kept(open: &Open) -> TcpStream {
    let mut stream = open.connect().await;
    stream.write_all(b"GET /small HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let mut answer = [0; 1024];
    assert!(stream.read(&mut answer).await.unwrap() > 0);
    stream
}

#[rocket::async_test]
async fn rl_7_when_few_slots_are_left_whoever_asks_nothing_leaves_for_newcomers() {
    // Nobody is cut for want of patience, and one slot is for whoever is accepted next.
    let open = patient(8, Patience { scarce: PATIENCE.scarce, ..Patience::default() }).await;
    let (mut idle, mut silent) = (kept(&open).await, open.connect().await);
    sleep(PATIENCE.scarce * 5).await;
    assert_eq!(open.gate.traffic.connections(), 2, "while there are slots they are kept");
    let mut others = Vec::new();
    for _ in 0..30 {
        others.push(timeout(HANGS, kept(&open)).await.expect("newcomers get in"));
    }
    assert_eq!((rest(&mut idle).await, rest(&mut silent).await), (String::new(), String::new()));
    drop(others);
}

#[rocket::async_test]
async fn requests_that_come_at_once_are_answered_in_turn() {
    let open = open(10).await;
    let first = "GET /small HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(20);
    let answers = open.say(first + &get_request("/slow")).await;
    assert_eq!(answers.matches("HTTP/1.1 200 OK").count(), 21, "{answers}");
    assert!(answers.ends_with("done"));
}

#[rocket::async_test]
async fn hd_3_methods_that_nobody_knows_are_not_allowed() {
    let open = open(10).await;
    let ask = async |line: &str| {
        open.say(format!("{line} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")).await
    };
    for (line, status, allow) in [
        ("FOO /small", "405", "GET, HEAD"),
        ("get /small", "405", "GET, HEAD"),
        ("FOO /echo", "405", "POST"),
        ("FOO /nothing", "404", ""),
        ("BREW /v1/users/1", "405", "GET, HEAD, PUT, PATCH, DELETE, OPTIONS"),
        ("BREW /%761//users/list", "405", "POST, OPTIONS"),
        ("BREW /v1/nothing", "404", ""),
    ] {
        let answer = ask(line).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{line}: {answer}");
        assert!(allow.is_empty() || answer.contains(&format!("allow: {allow}\r\n")), "{line}: {answer}");
        assert!(answer.contains("x-frame-options: DENY"), "hd_1: {answer}");
    }
    assert!(ask("FOO /small").await.ends_with(r#"{"detail":"Method \"FOO\" not allowed."}"#));
    for line in ["TRACE /small", "CONNECT localhost:80", "OPTIONS *", "GET /a\"b"] {
        let answer = ask(line).await;
        assert!(answer.starts_with("HTTP/1.1 4"), "{line}: {answer}");
    }
}

#[rocket::async_test]
async fn in_2_of_two_hosts_none_is_believed() {
    let open = open(10).await;
    for (version, host, status) in [
        ("1.1", "", 400),
        ("1.0", "", 200),
        ("1.1", "Host:\r\n", 200),
        ("1.1", "Host: [::1]:8000\r\n", 200),
        ("1.1", "Host: a b\r\n", 400),
        ("1.1", "Host: a@b\r\n", 400),
        ("1.1", "Host: a/b\r\n", 400),
    ] {
        let head = format!("GET /small HTTP/{version}\r\n{host}Connection: close\r\n\r\n");
        assert!(open.say(head).await.contains(&format!(" {status} ")), "{version} {host:?}");
    }
    let answer = open.say("GET /small HTTP/1.1\r\nHost: a\r\nHost: b\r\nConnection: close\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
}

#[rocket::async_test]
async fn cs_2_only_what_was_sent_as_post_becomes_one_again() {
    let open = open(10).await;
    let ask = async |method: &str, path: &str| {
        let form = "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 11\r\n\r\n_method=PUT";
        open.say(format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{form}")).await
    };
    assert!(ask("POST", "/echo").await.ends_with("_method=PUT"));
    assert!(ask("GET", "/small").await.ends_with("small"));
    assert!(!ask("GET", "/echo").await.contains("200 OK"));
}

#[rocket::async_test]
async fn tk_4_headers_that_are_no_text_are_there_all_the_same() {
    let open = open(10).await;
    let head = b"GET /said HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n";
    let rest = b"Authorization: Bearer \xff\r\nCookie: theirs=\xe9; ours=1\r\n\r\n";
    let answer = open.say([&head[..], rest].concat()).await;
    assert!(answer.ends_with("Bearer \u{fffd} 1"), "{answer}");
}

#[rocket::async_test]
async fn rl_10_a_stop_waits_for_what_was_asked_and_for_nothing_else() {
    let open = open(10).await;
    let mut idle = open.connect().await;
    idle.write_all(b"GET /small HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let mut answer = [0; 1024];
    assert!(idle.read(&mut answer).await.unwrap() > 0);
    let silent = open.connect().await;
    let address = open.address;
    let busy = tokio::spawn(async move {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(get_request("/slow").as_bytes()).await.unwrap();
        rest(&mut stream).await
    });
    sleep(LONG / 3).await;
    // In the kernel's queue, or just accepted: it counts.
    let mut late = open.connect().await;
    late.write_all(get_request("/small").as_bytes()).await.unwrap();
    open.stop.send(()).unwrap();
    assert!(rest(&mut late).await.ends_with("small"));
    assert!(busy.await.unwrap().ends_with("done"));
    timeout(HANGS / 2, open.served).await.expect("it waits for nobody else").unwrap();
    assert!(TcpStream::connect(address).await.is_err(), "nobody listens any more");
    assert!(open.gate.traffic.is_stopping());
    assert_eq!((open.gate.traffic.connections(), open.gate.traffic.in_flight()), (0, 0));
    drop((idle, silent));
}

#[rocket::async_test]
async fn a_body_whose_pieces_have_no_length_is_answered_400_and_is_the_last() {
    let open = open(10).await;
    for size in ["ZZ", "-1", "+2", "0x2", "", "fffffffffffffffff"] {
        let head = "POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n";
        let next = "GET /small HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        let answer = open.say(format!("{head}{size}\r\nab\r\n0\r\n\r\n{next}")).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{size}: {answer}");
        assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{size}: {answer}");
    }
}
