//! Which shoppers have a socket on this gateway: a batch tells of a thousand shoppers, of whom
//! most are connected elsewhere.

use std::{
    collections::{HashMap, HashSet},
    sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use flashsale_core::id::UserId;
use socketioxide::socket::Sid;

/// The sockets of this gateway, and whose they are; `S` is a handle on a socket. In the place of
/// rooms, which would know the same twice more for every socket.
#[derive(Debug)]
pub(super) struct Presence<S>(RwLock<Present<S>>);

#[derive(Debug)]
struct Present<S> {
    sockets: HashSet<Sid>,
    /// One socket for most, a second for who has two tabs open.
    owners: HashMap<UserId, Vec<(Sid, S)>>,
}

impl<S> Default for Presence<S> {
    fn default() -> Self {
        Self(RwLock::new(Present {
            sockets: HashSet::new(),
            owners: HashMap::new(),
        }))
    }
}

impl<S: Clone> Presence<S> {
    /// How many sockets there are.
    pub(super) fn count(&self) -> usize {
        self.read().sockets.len()
    }

    /// Whether no shopper is known by name here.
    pub(super) fn is_empty(&self) -> bool {
        self.read().owners.is_empty()
    }

    /// The sockets of a shopper, and of nobody else.
    pub(super) fn of(&self, user: &UserId) -> Vec<S> {
        let present = self.read();
        let sockets = present.owners.get(user).into_iter().flatten();
        sockets.map(|(_, socket)| socket.clone()).collect()
    }

    /// Notes a socket; answers how many there are.
    pub(super) fn enter(&self, id: Sid, owner: Option<(UserId, S)>) -> usize {
        let mut present = self.write();
        present.sockets.insert(id);
        if let Some((user, socket)) = owner {
            let sockets = present.owners.entry(user);
            sockets
                .or_insert_with(|| Vec::with_capacity(1))
                .push((id, socket));
        }
        present.sockets.len()
    }

    /// Forgets a socket, however often; answers how many there are.
    pub(super) fn leave(&self, id: Sid, user: Option<&UserId>) -> usize {
        let mut present = self.write();
        present.sockets.remove(&id);
        if let Some(user) = user
            && let Some(sockets) = present.owners.get_mut(user)
        {
            sockets.retain(|(known, _)| *known != id);
            if sockets.is_empty() {
                present.owners.remove(user);
            }
        }
        present.sockets.len()
    }

    fn read(&self) -> RwLockReadGuard<'_, Present<S>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Present<S>> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shopper_is_present_until_the_last_socket_left() {
        let presence = Presence::default();
        let user = UserId::new("u").unwrap();
        let (first, second) = (Sid::new(), Sid::new());
        assert_eq!(presence.enter(first, Some((user.clone(), "first"))), 1);
        assert_eq!(presence.enter(second, Some((user.clone(), "second"))), 2);
        assert_eq!(presence.enter(Sid::new(), None), 3);
        assert_eq!(presence.of(&user), ["first", "second"]);
        presence.leave(first, Some(&user));
        presence.leave(first, Some(&user));
        assert_eq!(presence.of(&user), ["second"]);
        assert_eq!(presence.leave(second, Some(&user)), 1);
        assert!(presence.of(&user).is_empty());
        assert!(presence.is_empty());
    }
}
