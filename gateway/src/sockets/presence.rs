//! Which shoppers have a socket on this gateway: a batch tells of a thousand shoppers, of whom
//! most are connected elsewhere.

use std::{
    collections::{HashMap, HashSet},
    sync::{PoisonError, RwLock},
};

use flashsale_core::id::UserId;
use socketioxide::socket::Sid;

/// The room of a shopper's own sockets. No client can name a room: the server alone joins them.
pub(super) fn room(user: &UserId) -> String {
    format!("user:{user}")
}

/// The sockets of this gateway, and whose they are.
#[derive(Debug, Default)]
pub(super) struct Presence(RwLock<Present>);

#[derive(Debug, Default)]
struct Present {
    sockets: HashSet<Sid>,
    users: HashMap<UserId, HashSet<Sid>>,
}

impl Presence {
    /// How many sockets there are.
    pub(super) fn count(&self) -> usize {
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .sockets
            .len()
    }

    /// Whether no shopper is known by name here.
    pub(super) fn is_empty(&self) -> bool {
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .users
            .is_empty()
    }

    /// Whether a shopper has a socket here.
    pub(super) fn has(&self, user: &UserId) -> bool {
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .users
            .contains_key(user)
    }

    /// Notes a socket; answers how many there are.
    pub(super) fn enter(&self, socket: Sid, user: Option<UserId>) -> usize {
        let mut present = self.0.write().unwrap_or_else(PoisonError::into_inner);
        present.sockets.insert(socket);
        if let Some(user) = user {
            present.users.entry(user).or_default().insert(socket);
        }
        present.sockets.len()
    }

    /// Forgets a socket, however often; answers how many there are.
    pub(super) fn leave(&self, socket: Sid, user: Option<&UserId>) -> usize {
        let mut present = self.0.write().unwrap_or_else(PoisonError::into_inner);
        present.sockets.remove(&socket);
        if let Some(user) = user
            && let Some(sockets) = present.users.get_mut(user)
        {
            sockets.remove(&socket);
            if sockets.is_empty() {
                present.users.remove(user);
            }
        }
        present.sockets.len()
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
        assert_eq!(presence.enter(first, Some(user.clone())), 1);
        assert_eq!(presence.enter(second, Some(user.clone())), 2);
        assert_eq!(presence.enter(Sid::new(), None), 3);
        presence.leave(first, Some(&user));
        presence.leave(first, Some(&user));
        assert!(presence.has(&user));
        assert_eq!(presence.leave(second, Some(&user)), 1);
        assert!(presence.is_empty());
    }
}
