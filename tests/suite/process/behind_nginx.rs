//! Usher behind the nginx that docs/nginx.conf describes.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use super::server::{Server, eventually, obtain_request, status_of};

/// nginx, until the test ends.
struct Nginx {
    child: Child,
    address: String,
    /// Where plain http is led away from.
    plain: String,
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // Its one process has no children.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A port that nobody has at this moment.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl Nginx {
    /// The file as it is shipped, but for what only fits the real machine: ports, paths, and TLS, for which the
    /// test has no certificate.
    fn before(server: &Server, directory: &Path) -> Self {
        let (address, plain) = (free_port(), free_port());
        let mut config = include_str!("../../../docs/nginx.conf").to_owned();
        let upstream = format!("server {};", server.address);
        let path = directory.display();
        for (shipped, here) in [
            ("server 127.0.0.1:8000;", upstream.as_str()),
            ("listen 80;", &format!("listen 127.0.0.1:{plain};")),
            ("listen 443 ssl http2;", &format!("listen 127.0.0.1:{address};")),
            ("        ssl_certificate /etc/ssl/users.example.org.pem;\n", ""),
            ("        ssl_certificate_key /etc/ssl/private/users.example.org.key;\n", ""),
            ("        ssl_protocols TLSv1.2 TLSv1.3;\n", ""),
            ("/var/log/nginx/usher.log", &format!("{path}/access.log")),
            (
                "http {\n",
                &format!(
                    "http {{\nclient_body_temp_path {path}/body; proxy_temp_path {path}/proxy;\n\
                     fastcgi_temp_path {path}/f; uwsgi_temp_path {path}/u; scgi_temp_path {path}/s;\n"
                ),
            ),
        ] {
            assert_eq!(config.matches(shipped).count(), 1, "{shipped}");
            config = config.replace(shipped, here);
        }
        let file = directory.join("nginx.conf");
        std::fs::write(&file, config).unwrap();
        let globals =
            format!("daemon off; master_process off; pid {path}/nginx.pid; error_log {path}/error.log;");
        let program = if Path::new("/usr/sbin/nginx").exists() { "/usr/sbin/nginx" } else { "nginx" };
        let mut command = Command::new(program);
        command.args(["-p", &path.to_string(), "-c", "nginx.conf", "-e", "stderr", "-g", &globals]);
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let child = child.expect("the package nginx-light is installed; tests/run does that");
        let nginx =
            Self { child, address: format!("127.0.0.1:{address}"), plain: format!("127.0.0.1:{plain}") };
        let listens = eventually(Duration::from_secs(10), || TcpStream::connect(&nginx.address).is_ok());
        let said = std::fs::read_to_string(directory.join("error.log")).unwrap_or_default();
        assert!(listens, "nginx does not start: {said}");
        nginx
    }

    fn ask(&self, request: &str) -> String {
        ask(&self.address, request)
    }
}

fn ask(address: &str, request: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
    // Whoever is refused may find the connection closed before everything is sent.
    drop(stream.write_all(request.as_bytes()));
    let mut answer = Vec::new();
    drop(stream.read_to_end(&mut answer));
    String::from_utf8(answer).unwrap()
}

fn get(path: &str, headers: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: users.example.org\r\nConnection: close\r\n{headers}\r\n")
}

const BEHIND: [(&str, &str); 3] = [
    ("USHER_TRUSTED_PROXIES", r#"["127.0.0.1"]"#),
    ("USHER_PUBLIC_ORIGIN", "https://users.example.org"),
    ("USHER_SIGN_IN_FAILURE_MILLISECONDS", "0"),
];

#[test]
fn ip_1_behind_nginx_the_address_is_the_clients_whatever_it_says() {
    let directory = TempDir::new().unwrap();
    let mut server = Server::start(directory.path(), &BEHIND);
    let nginx = Nginx::before(&server, directory.path());
    // The peer of nginx is this machine, too: only one that is none of our proxies can be told apart.
    let from_here =
        nginx.ask(&get("/livez?search=private", "X-Forwarded-For: 192.0.2.66\r\nX-Real-IP: 192.0.2.66\r\n"));
    assert_eq!(status_of(&from_here), Some(200), "{from_here}");
    // The same without a proxy in between: a trusted peer is believed.
    server.ask(&get("/readyz", "X-Forwarded-For: 192.0.2.77\r\n")).unwrap();
    let log = server.log();
    let addresses: Vec<(Value, Value)> = log
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .filter(|line| line["path"].is_string())
        .map(|line| (line["path"].clone(), line["address"].clone()))
        .collect();
    assert!(addresses.contains(&("/livez".into(), "127.0.0.1".into())), "{addresses:?}");
    assert!(addresses.contains(&("/readyz".into(), "192.0.2.77".into())), "{addresses:?}");
    let access = std::fs::read_to_string(directory.path().join("access.log")).unwrap();
    assert!(access.contains("\"GET /livez\" 200"), "{access}");
    assert!(!access.contains("private"), "nothing of the query: {access}");
}

#[test]
fn hd_1_behind_nginx_headers_pass_and_https_is_demanded() {
    let directory = TempDir::new().unwrap();
    let server = Server::start(directory.path(), &BEHIND);
    let nginx = Nginx::before(&server, directory.path());
    let page = nginx.ask(&get("/sign-in", ""));
    let lower = page.to_lowercase();
    assert_eq!(status_of(&page), Some(200), "{page}");
    assert!(lower.contains("strict-transport-security: max-age=63072000; includesubdomains"), "{page}");
    for header in
        ["content-security-policy: ", "x-frame-options: deny", "x-request-id: ", "cache-control: no-store"]
    {
        assert_eq!(lower.matches(header).count(), 1, "{header}: {page}");
    }
    assert!(!lower.contains("nginx/"), "cf_4: no version: {page}");
    let plain = ask(&nginx.plain, &get("/users?q=x", ""));
    assert_eq!(status_of(&plain), Some(308), "{plain}");
    assert!(plain.contains("Location: https://users.example.org/users?q=x"), "{plain}");
}

#[test]
fn without_an_https_origin_nobody_is_told_to_use_https() {
    let directory = TempDir::new().unwrap();
    let server = Server::start(directory.path(), &[("USHER_TRUSTED_PROXIES", r#"["127.0.0.1"]"#)]);
    let nginx = Nginx::before(&server, directory.path());
    let page = nginx.ask(&get("/sign-in", "")).to_lowercase();
    assert!(page.contains("x-frame-options: deny") && !page.contains("strict-transport-security"), "{page}");
}

#[test]
fn do_2_behind_nginx_long_bodies_and_odd_requests_are_refused() {
    let directory = TempDir::new().unwrap();
    let server = Server::start(directory.path(), &BEHIND);
    let nginx = Nginx::before(&server, directory.path());
    let ask = |request: &str| status_of(&nginx.ask(request));
    let signed_out = obtain_request("nobody", "x").replace("Host: localhost", "Host: users.example.org");
    assert_eq!(ask(&signed_out), Some(401));
    let post = "POST /v1/auth/obtain HTTP/1.1\r\nHost: users.example.org\r\nConnection: close\r\n";
    assert_eq!(ask(&format!("{post}Content-Length: 1048577\r\n\r\n")), Some(413));
    assert_eq!(ask(&format!("{post}Content-Length: 2\r\nContent-Length: 3\r\n\r\n{{}}")), Some(400));
    assert_eq!(ask(&format!("{post}Transfer-Encoding: x\r\n\r\n{{}}")).map(|status| status / 100), Some(5));
    assert_eq!(ask(&get("/livez", "Host: other.example.org\r\n")), Some(400));
    assert_eq!(ask(&get("/livez", &format!("X-Long: {}\r\n", "x".repeat(40_000)))), Some(400));
    assert_eq!(ask("TRACE /livez HTTP/1.1\r\nHost: users.example.org\r\n\r\n"), Some(405), "hd_3");
    assert_eq!(server.status("/livez"), Some(200));
}

#[test]
fn do_1_behind_nginx_slow_clients_are_cut_and_hurt_nobody() {
    let directory = TempDir::new().unwrap();
    let server = Server::start(directory.path(), &BEHIND);
    let nginx = Nginx::before(&server, directory.path());
    let begin = |text: &str| {
        let mut stream = TcpStream::connect(&nginx.address).unwrap();
        stream.write_all(text.as_bytes()).unwrap();
        stream
    };
    // Within what one address may have; nginx counts a connection from the end of its first head on.
    let mut slow: Vec<TcpStream> = (0..500)
        .map(|n| match n % 20 {
            0 => begin(
                "POST /v1/auth/obtain HTTP/1.1\r\nHost: users.example.org\r\nContent-Length: 9\r\n\r\n{",
            ),
            _ => begin("GET /livez HTTP/1.1\r\nHost: users.exa"),
        })
        .collect();
    for _ in 0..10 {
        assert_eq!(status_of(&nginx.ask(&get("/readyz", ""))), Some(200));
    }
    for stream in &mut slow {
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let end = stream.read_to_end(&mut Vec::new()).map_err(|error| error.kind());
        assert_ne!(end, Err(std::io::ErrorKind::WouldBlock), "a slow client is still there");
    }
}
