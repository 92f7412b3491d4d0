//! How many connections each address has.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

/// Counts the connections of each client: an IPv4 address, or the /64 that one IPv6 subscriber has for themselves.
#[derive(Debug)]
pub(super) struct Crowd {
    most: usize,
    /// They speak for many.
    proxies: Vec<IpAddr>,
    counts: Mutex<HashMap<IpAddr, usize>>,
}

/// A connection that is counted. Dropping it ends that.
#[derive(Debug)]
pub(super) struct Place(Option<(Arc<Crowd>, IpAddr)>);

impl Crowd {
    /// Allows `most` connections to each client, and any number to `proxies` and to this machine itself,
    /// where a proxy may run that nobody has told us of.
    pub(super) fn new(most: usize, proxies: &[IpAddr]) -> Self {
        let proxies = proxies.iter().map(IpAddr::to_canonical).collect();
        Self { most, proxies, counts: Mutex::default() }
    }

    /// Counts one more connection of an address; `None` if it has enough.
    pub(super) fn enter(self: &Arc<Self>, address: IpAddr) -> Option<Place> {
        if address.is_loopback() || self.proxies.contains(&address) {
            return Some(Place(None));
        }
        let client = client(address);
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(client).or_default();
        if *count >= self.most {
            return None;
        }
        *count += 1;
        Some(Place(Some((Arc::clone(self), client))))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some((crowd, client)) = self.0.take() else { return };
        let mut counts = crowd.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&client) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&client);
            }
        }
    }
}

/// What is counted as one client.
fn client(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rl_7_an_address_has_so_many_connections_at_once_and_no_more() {
        let crowd = Arc::new(Crowd::new(2, &["192.0.2.80".parse().unwrap()]));
        let enter = |address: &str| crowd.enter(address.parse().unwrap());
        let first = enter("192.0.2.1").unwrap();
        let second = enter("192.0.2.1");
        assert!(second.is_some() && enter("192.0.2.1").is_none());
        assert!(enter("192.0.2.2").is_some(), "others are not hurt");
        drop(first);
        let third = enter("192.0.2.1");
        assert!(third.is_some(), "a place that was left is free");
        let subscriber = [enter("2001:db8::1"), enter("2001:db8::ffff:2")];
        assert!(subscriber.iter().all(Option::is_some));
        assert!(enter("2001:db8::3").is_none(), "a /64 is one subscriber");
        assert!(enter("2001:db8:0:1::1").is_some());
        for address in ["127.0.0.1", "::1", "192.0.2.80"] {
            let many: Vec<_> = (0..5).map(|_| enter(address)).collect();
            assert!(many.iter().all(Option::is_some), "{address} speaks for many");
        }
        drop((second, third, subscriber));
        assert!(crowd.counts.lock().unwrap().is_empty(), "nobody is remembered");
    }
}
