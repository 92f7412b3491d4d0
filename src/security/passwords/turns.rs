//! Turns at hashing, and the places of those who wait for one.
//!
//! Turns go round: from address to address, at one address from account to account, within an account in the order of
//! arrival (round robin, as fair queueing does it). An account holds a small part of the places. When all are taken, a
//! newcomer gets one from the address that holds the most, so that no client keeps the others out.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rocket::tokio::sync::oneshot;

use crate::model::origin::Origin;
use crate::model::throttle::Key;

/// An account holds at most one in so many of the places.
const PART: usize = 8;

/// Who a password is hashed for. What the server or the command line does by itself has neither.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Claimant {
    /// The account, by the name that was given.
    pub account: Option<Key>,
    /// The client's address.
    pub address: Option<Key>,
}

impl Claimant {
    /// One who names an account.
    #[must_use]
    pub fn named(username: &str, origin: &Origin) -> Self {
        Self::at(Key::account(username), origin)
    }

    /// One whom the account knows, by a session, a browser that signed in before or a link.
    #[must_use]
    pub fn known(username: &str, origin: &Origin) -> Self {
        Self::at(Key::known(username), origin)
    }

    fn at(account: Key, origin: &Origin) -> Self {
        Self { account: Some(account), address: origin.address.map(Key::address) }
    }
}

/// The turns of one hasher.
#[derive(Debug)]
pub(super) struct Turns {
    /// How many callers may wait.
    places: usize,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    free: usize,
    /// How many turns have been given.
    given: u64,
    arrived: u64,
    /// In the order of arrival.
    waiting: Vec<Waiting>,
}

#[derive(Debug)]
struct Waiting {
    number: u64,
    claimant: Claimant,
    /// When its address last had a turn, or joined the round, as a number of turns; then its account at this address.
    since: [u64; 2],
    /// Where its turn goes; `None` while the caller waits for something else first.
    turn: Option<oneshot::Sender<Permit>>,
}

/// The right to compute one hash. Dropping it passes it on.
#[derive(Debug)]
pub(super) struct Permit(Arc<Turns>);

/// A place among the callers that wait; dropping it leaves the queue.
#[derive(Debug)]
pub struct QueuePlace {
    turns: Arc<Turns>,
    number: u64,
}

/// What a caller gets who asks for a turn.
pub(super) enum Asked {
    /// The turn.
    Now(Permit),
    /// A place, and where the turn arrives; nothing arrives if the place goes to another caller.
    Later(QueuePlace, oneshot::Receiver<Permit>),
}

impl Turns {
    pub(super) fn new(at_once: usize, places: usize) -> Arc<Self> {
        let state = State { free: at_once, given: 0, arrived: 0, waiting: Vec::new() };
        Arc::new(Self { places, state: Mutex::new(state) })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing that can panic happens under the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A turn, or a place to wait for one; `None` if the caller gets neither.
    pub(super) fn ask(self: &Arc<Self>, claimant: &Claimant) -> Option<Asked> {
        let mut state = self.state();
        if state.free > 0 {
            state.free -= 1;
            return Some(Asked::Now(Permit(Arc::clone(self))));
        }
        let (turn, given) = oneshot::channel();
        let number = state.join(self.places, claimant, Some(turn))?;
        Some(Asked::Later(QueuePlace { turns: Arc::clone(self), number }, given))
    }

    /// A place for a caller that waits for something else first; `None` if it gets none.
    pub(super) fn queue_up(self: &Arc<Self>, claimant: &Claimant) -> Option<QueuePlace> {
        let number = self.state().join(self.places, claimant, None)?;
        Some(QueuePlace { turns: Arc::clone(self), number })
    }

    /// Whether a caller would get a turn or a place now.
    pub(super) fn has_room_for(&self, claimant: &Claimant) -> bool {
        let state = self.state();
        state.free > 0 || state.room_for(self.places, claimant).is_some()
    }

    /// How many callers wait.
    pub(super) fn waiting(&self) -> usize {
        self.state().waiting.len()
    }

    #[cfg(test)]
    pub(super) fn free(&self) -> usize {
        self.state().free
    }

    fn give_back(self: &Arc<Self>) {
        let next = {
            let mut state = self.state();
            state.free += 1;
            state.next()
        };
        // A caller that is gone drops its turn, which comes back here.
        if let Some(turn) = next {
            drop(turn.send(Permit(Arc::clone(self))));
        }
    }
}

/// Where one more caller finds room.
enum Room {
    Free,
    /// That of the caller at this index.
    Taken(usize),
}

impl State {
    /// Joins the queue; the number of the place.
    fn join(
        &mut self,
        places: usize,
        claimant: &Claimant,
        turn: Option<oneshot::Sender<Permit>>,
    ) -> Option<u64> {
        if let Room::Taken(index) = self.room_for(places, claimant)? {
            self.waiting.remove(index);
        }
        let mut since = [self.given; 2];
        for other in self.waiting.iter().filter(|other| other.claimant.address == claimant.address) {
            since[0] = other.since[0];
            if other.claimant.account == claimant.account {
                since[1] = other.since[1];
            }
        }
        let number = self.arrived;
        self.arrived += 1;
        self.waiting.push(Waiting { number, claimant: claimant.clone(), since, turn });
        Some(number)
    }

    fn room_for(&self, places: usize, claimant: &Claimant) -> Option<Room> {
        let of_account = |other: &&Waiting| other.claimant.account == claimant.account;
        if claimant.account.is_some()
            && self.waiting.iter().filter(of_account).count() >= (places / PART).max(1)
        {
            return None;
        }
        if self.waiting.len() < places {
            return Some(Room::Free);
        }
        let mut held = HashMap::<_, usize>::new();
        for Waiting { claimant: Claimant { account, address }, .. } in &self.waiting {
            *held.entry((address, None)).or_default() += 1;
            *held.entry((address, Some(account))).or_default() += 1;
        }
        let held = |Claimant { account, address }: &Claimant| {
            [None, Some(account)].map(|within| held.get(&(address, within)).copied().unwrap_or(0))
        };
        // The latest of the account that holds the most, at the address that does.
        let (index, last) =
            self.waiting.iter().enumerate().max_by_key(|(_, other)| (held(&other.claimant), other.number))?;
        let level = usize::from(last.claimant.address == claimant.address);
        (held(&last.claimant)[level] > held(claimant)[level] + 1).then_some(Room::Taken(index))
    }

    /// Takes the next caller out of the queue, if a turn is free; where its turn goes.
    fn next(&mut self) -> Option<oneshot::Sender<Permit>> {
        if self.free == 0 {
            return None;
        }
        let waiting = self.waiting.iter().enumerate().filter(|(_, caller)| caller.turn.is_some());
        let (index, _) = waiting.min_by_key(|(_, caller)| (caller.since, caller.number))?;
        let Waiting { claimant, turn, .. } = self.waiting.remove(index);
        self.free -= 1;
        self.given += 1;
        for other in self.waiting.iter_mut().filter(|other| other.claimant.address == claimant.address) {
            other.since[0] = self.given;
            if other.claimant.account == claimant.account {
                other.since[1] = self.given;
            }
        }
        turn
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.give_back();
    }
}

impl QueuePlace {
    /// Whether it went to another caller.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        !self.turns.state().waiting.iter().any(|other| other.number == self.number)
    }
}

impl Drop for QueuePlace {
    fn drop(&mut self) {
        self.turns.state().waiting.retain(|other| other.number != self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claimant(account: &str, address: u8) -> Claimant {
        let address = [192, 0, 2, address].into();
        Claimant { account: Some(Key::account(account)), address: Some(Key::address(address)) }
    }

    type Waits = (String, QueuePlace, oneshot::Receiver<Permit>);

    fn wait(turns: &Arc<Turns>, account: &str, address: u8) -> Option<Waits> {
        match turns.ask(&claimant(account, address))? {
            Asked::Later(place, given) => Some((format!("{account}@{address}"), place, given)),
            Asked::Now(_) => unreachable!("no turn is free"),
        }
    }

    /// Has one after another take their turns; their names in the order in which they get them.
    fn order(first: Permit, mut waiting: Vec<Waits>) -> Vec<String> {
        let mut turn = Some(first);
        let mut order = Vec::new();
        while turn.take().is_some() {
            let next = waiting.iter_mut().position(|(.., given)| {
                turn = given.try_recv().ok();
                turn.is_some()
            });
            order.extend(next.map(|index| waiting.remove(index).0));
        }
        order
    }

    fn busy(places: usize) -> (Arc<Turns>, Permit) {
        let turns = Turns::new(1, places);
        match turns.ask(&Claimant::default()) {
            Some(Asked::Now(turn)) => (turns, turn),
            _ => unreachable!("a turn is free"),
        }
    }

    #[test]
    fn pw_3_an_account_holds_a_small_part_of_the_places_and_others_find_the_rest() {
        let (turns, _turn) = busy(64);
        let own: Vec<_> = (0..90).filter_map(|address| wait(&turns, "ada", address)).collect();
        assert_eq!(own.len(), 8);
        assert!(
            !turns.has_room_for(&claimant("ada", 200)) && turns.queue_up(&claimant("ada", 200)).is_none()
        );
        let others: Vec<_> = (0..56).filter_map(|n| wait(&turns, &format!("user-{n}"), 1)).collect();
        assert_eq!(others.len(), 56);
        drop(own);
        assert!(turns.has_room_for(&claimant("ada", 200)));
    }

    #[test]
    fn pw_3_turns_go_from_address_to_address_and_there_from_account_to_account() {
        let (turns, turn) = busy(64);
        let asked = [("a", 1), ("a", 1), ("b", 1), ("b", 1), ("c", 2), ("c", 2), ("d", 3)];
        let waiting = asked.iter().filter_map(|(account, address)| wait(&turns, account, *address)).collect();
        assert_eq!(order(turn, waiting), ["a@1", "c@2", "d@3", "b@1", "c@2", "a@1", "b@1"]);
        assert_eq!((turns.free(), turns.waiting()), (1, 0));
    }

    #[test]
    fn pw_3_when_all_places_are_taken_a_newcomer_gets_one_of_the_address_that_holds_the_most() {
        let (turns, turn) = busy(16);
        let mut crowd: Vec<_> = (0..16).filter_map(|n| wait(&turns, &format!("user-{n}"), 1)).collect();
        assert_eq!(crowd.len(), 16);
        assert!(wait(&turns, "one-more", 1).is_none(), "every account of the address holds as much");
        let (_, place, mut given) = wait(&turns, "ada", 2).unwrap();
        assert!(!place.is_lost() && crowd[15].1.is_lost() && crowd[15].2.try_recv().is_err());
        assert_eq!(turns.waiting(), 16);
        drop(crowd.pop());
        drop(turn);
        // The address that waits the longest is served first, then at once the newcomer.
        drop(crowd[0].2.try_recv().unwrap());
        assert!(given.try_recv().is_ok());
    }

    #[test]
    fn pw_3_behind_one_address_an_account_with_less_gets_a_place_of_one_with_more() {
        let (turns, _turn) = busy(16);
        let crowd: Vec<_> = (0..16).filter_map(|n| wait(&turns, &format!("user-{}", n / 2), 1)).collect();
        assert_eq!(crowd.len(), 16);
        let first = wait(&turns, "ada", 1);
        assert!(first.is_some() && crowd[15].1.is_lost(), "of the latest who has two");
        assert!(wait(&turns, "ada", 1).is_none(), "one beside two is as fair as two beside one");
    }

    #[test]
    fn pw_3_a_turn_that_its_caller_no_longer_takes_goes_to_the_next() {
        let (turns, turn) = busy(64);
        let (_, _ada, gone) = wait(&turns, "ada", 1).unwrap();
        let parked = turns.queue_up(&claimant("parked", 2)).unwrap();
        let (_, _bob, mut given) = wait(&turns, "bob", 3).unwrap();
        drop(gone);
        drop(turn);
        assert!(given.try_recv().is_ok());
        assert_eq!((turns.free(), turns.waiting(), parked.is_lost()), (1, 1, false));
    }
}
