//! Which shoppers have a socket on this gateway: a batch tells of a thousand shoppers, of whom
//! most are connected elsewhere.

use std::collections::{HashMap, HashSet};

use flashsale_domain::id::UserId;
use parking_lot::RwLock;

use crate::identity::{SocketOwner, Validity};

/// Names one presence of a socket, from joining the namespace until leaving it. Not the socket's own
/// id: a client that leaves and comes back on the same connection keeps that, and the end of its first
/// presence must not end the second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct PresenceId(u64);

/// The sockets of this gateway, and whose they are; `S` is a handle on a socket. In the place of
/// rooms, which would know the same twice more for every socket.
#[derive(Debug)]
pub(super) struct Presence<S>(RwLock<Present<S>>);

#[derive(Debug)]
struct Present<S> {
    connected: HashSet<PresenceId>,
    /// One socket for most, a second for who has two tabs open.
    owners: HashMap<UserId, Vec<Owned<S>>>,
    next: u64,
}

/// One socket of a shopper.
#[derive(Debug)]
struct Owned<S> {
    id: PresenceId,
    socket: S,
    /// How long the shopper's token is good; none where authentication is off.
    validity: Option<Validity>,
}

impl<S> Default for Presence<S> {
    fn default() -> Self {
        Self(RwLock::new(Present {
            connected: HashSet::new(),
            owners: HashMap::new(),
            next: 0,
        }))
    }
}

impl<S: Clone> Presence<S> {
    /// How many sockets there are.
    pub(super) fn count(&self) -> usize {
        self.0.read().connected.len()
    }

    /// Whether no shopper is known by name here.
    pub(super) fn is_empty(&self) -> bool {
        self.0.read().owners.is_empty()
    }

    /// The sockets of a shopper, and of nobody else.
    pub(super) fn of(&self, user: &UserId) -> Vec<S> {
        let present = self.0.read();
        let sockets = present.owners.get(user).into_iter().flatten();
        sockets.map(|owned| owned.socket.clone()).collect()
    }

    /// The sockets whose token has ended by `is_ended`.
    pub(super) fn ended(&self, is_ended: impl Fn(&Validity) -> bool) -> Vec<S> {
        let present = self.0.read();
        let sockets = present.owners.values().flatten();
        let ended = sockets.filter(|owned| owned.validity.as_ref().is_some_and(&is_ended));
        ended.map(|owned| owned.socket.clone()).collect()
    }

    /// Notes a socket that has joined; answers the id of its presence, and how many sockets there are.
    pub(super) fn enter(&self, owner: Option<(SocketOwner, S)>) -> (PresenceId, usize) {
        let mut present = self.0.write();
        let id = PresenceId(present.next);
        present.next += 1;
        present.connected.insert(id);
        if let Some((SocketOwner { user, validity }, socket)) = owner {
            let sockets = present.owners.entry(user);
            let entry = Owned {
                id,
                socket,
                validity,
            };
            sockets.or_insert_with(|| Vec::with_capacity(1)).push(entry);
        }
        (id, present.connected.len())
    }

    /// Notes that it has left; may be called again. Answers how many sockets there are.
    pub(super) fn leave(&self, id: PresenceId, user: Option<&UserId>) -> usize {
        let mut present = self.0.write();
        present.connected.remove(&id);
        if let Some(user) = user
            && let Some(sockets) = present.owners.get_mut(user)
        {
            sockets.retain(|owned| owned.id != id);
            if sockets.is_empty() {
                present.owners.remove(user);
            }
        }
        present.connected.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::KeyFingerprint;

    #[test]
    fn a_shopper_is_present_until_the_last_socket_left() {
        let presence = Presence::default();
        let user = UserId::new("u").unwrap();
        let owner = |until| SocketOwner {
            user: user.clone(),
            validity: Some(Validity {
                until,
                key: KeyFingerprint(1),
            }),
        };
        let (first, count) = presence.enter(Some((owner(1), "first")));
        assert_eq!(count, 1);
        let (second, count) = presence.enter(Some((owner(2), "second")));
        assert_eq!(count, 2);
        assert_eq!(presence.enter(None).1, 3);
        assert_eq!(presence.of(&user), ["first", "second"]);
        assert_eq!(presence.ended(|validity| validity.until < 2), ["first"]);
        presence.leave(first, Some(&user));
        presence.leave(first, Some(&user));
        assert_eq!(presence.of(&user), ["second"]);
        assert_eq!(presence.leave(second, Some(&user)), 1);
        assert!(presence.of(&user).is_empty());
        assert!(presence.is_empty());
    }
}
