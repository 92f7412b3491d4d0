//! How many connections each address has, and how much memory for the bodies of its requests.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

use rocket::tokio::sync::Semaphore;

/// Counts the connections of each client: an IPv4 address, or the /64 that one IPv6 subscriber has for themselves.
#[derive(Debug)]
pub(super) struct Crowd {
    most: usize,
    /// Kilobytes of bodies that each client may have.
    share: usize,
    /// They speak for many.
    proxies: Vec<IpAddr>,
    clients: Mutex<HashMap<IpAddr, Client>>,
}

/// What a client has.
#[derive(Debug)]
struct Client {
    connections: usize,
    /// Kilobytes of bodies that it may still have.
    bodies: Arc<Semaphore>,
}

/// A connection that is counted. Dropping it ends that, so that it is kept until its last request is answered.
#[derive(Debug)]
pub(super) struct Place(Option<Entered>);

#[derive(Debug)]
struct Entered {
    crowd: Arc<Crowd>,
    address: IpAddr,
    bodies: Arc<Semaphore>,
}

impl Place {
    /// Kilobytes of bodies that this client may still have; `None` for one that speaks for many.
    pub(super) fn bodies(&self) -> Option<&Arc<Semaphore>> {
        self.0.as_ref().map(|entered| &entered.bodies)
    }
}

impl Crowd {
    /// Allows `most` connections and `share` kilobytes of bodies to each client, and any number to `proxies` and
    /// to this machine itself, where a proxy may run that nobody has told us of.
    pub(super) fn new(most: usize, share: usize, proxies: &[IpAddr]) -> Self {
        let proxies = proxies.iter().map(IpAddr::to_canonical).collect();
        Self { most, share, proxies, clients: Mutex::default() }
    }

    /// Counts one more connection of an address; `None` if it has enough.
    pub(super) fn enter(self: &Arc<Self>, address: IpAddr) -> Option<Place> {
        if address.is_loopback() || self.proxies.contains(&address) {
            return Some(Place(None));
        }
        let address = subscriber(address);
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = || Client { connections: 0, bodies: Arc::new(Semaphore::new(self.share)) };
        let client = clients.entry(address).or_insert_with(fresh);
        if client.connections >= self.most {
            return None;
        }
        client.connections += 1;
        let (crowd, bodies) = (Arc::clone(self), Arc::clone(&client.bodies));
        Some(Place(Some(Entered { crowd, address, bodies })))
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        let mut clients = self.crowd.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get_mut(&self.address) {
            client.connections -= 1;
            if client.connections == 0 {
                clients.remove(&self.address);
            }
        }
    }
}

/// What is counted as one client.
fn subscriber(address: IpAddr) -> IpAddr {
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
        let crowd = Arc::new(Crowd::new(2, 4, &["192.0.2.80".parse().unwrap()]));
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
        assert!(crowd.clients.lock().unwrap().is_empty(), "nobody is remembered");
    }

    #[test]
    fn rl_7_all_connections_of_an_address_share_what_it_may_have_of_bodies() {
        let crowd = Arc::new(Crowd::new(9, 4, &["192.0.2.80".parse().unwrap()]));
        let enter = |address: &str| crowd.enter(address.parse().unwrap()).unwrap();
        let take = |place: &Place, kilobytes| {
            Semaphore::try_acquire_many_owned(Arc::clone(place.bodies().unwrap()), kilobytes)
        };
        let (first, second, other) = (enter("192.0.2.1"), enter("192.0.2.1"), enter("192.0.2.2"));
        let taken = take(&first, 4).unwrap();
        assert!(take(&second, 1).is_err());
        assert!(take(&other, 4).is_ok());
        drop(first);
        assert!(take(&second, 1).is_err(), "what is taken is taken");
        drop(taken);
        assert!(take(&second, 4).is_ok());
        for address in ["127.0.0.1", "::1", "192.0.2.80"] {
            assert!(enter(address).bodies().is_none(), "{address} speaks for many");
        }
    }
}
