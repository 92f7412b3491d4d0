//! `healthcheck`: asks the server that runs with the same configuration whether it is ready, for container engines and
//! service managers that have no HTTP client.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::process::ExitCode;
use std::time::Duration;

use rocket::Config;

use super::{Failure, complain};

/// Longer than `/readyz` takes to say that the database does not answer.
const PATIENCE: Duration = Duration::from_secs(12);

/// More of an answer is not read.
const MOST_BYTES: u64 = 4096;

pub(super) fn run(config: &Config) -> Result<ExitCode, Failure> {
    let address = SocketAddr::new(reachable(config.address), config.port);
    let answer = ask(address).map_err(|error| format!("{address}: {error}"))?;
    if is_ready(&answer) {
        return Ok(ExitCode::SUCCESS);
    }
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.lines().next().unwrap_or("no answer");
    complain(&format_args!("usher: {address} is not ready: {status} {body}"));
    Ok(ExitCode::FAILURE)
}

/// A server that listens on all addresses answers on this machine's own.
fn reachable(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(address) if address.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(address) if address.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        address => address,
    }
}

fn ask(address: SocketAddr) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    write!(stream, "GET /readyz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.take(MOST_BYTES).read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

fn is_ready(answer: &str) -> bool {
    answer.starts_with("HTTP/1.1 200 ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_of_a_server_on_all_addresses_is_the_machine_s_own() {
        for (listens_on, asked) in
            [("0.0.0.0", "127.0.0.1"), ("::", "::1"), ("192.0.2.1", "192.0.2.1"), ("127.0.0.1", "127.0.0.1")]
        {
            assert_eq!(reachable(listens_on.parse().unwrap()), asked.parse::<IpAddr>().unwrap());
        }
    }
}
