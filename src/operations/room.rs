//! Remembers the rules that the stacks of one run add to the buses: the stacks of a fleet are prepared at the same time, and none
//! of them sees the rules of another one on the bus before these exist.

use std::sync::{Mutex, PoisonError};

use crate::aws::calls::bus;
use crate::error::Result;
use crate::stack::{Place, Stack};

/// The rules that the stacks of one run need, by account and region. Rules stay here once they exist: they are counted by name.
/// Rules of a setup that fails later stay, too.
#[derive(Debug, Default)]
pub struct Room(Mutex<Vec<Booking>>);

#[derive(Debug)]
struct Booking {
    place: Place,
    stack: Stack,
    rules: Vec<bus::Rule>,
}

impl Room {
    /// Books the rules of a stack if `check` accepts them beside the rules that other stacks of the same account and region have
    /// booked. Between the check and the booking, no other stack can book.
    ///
    /// # Errors
    /// As `check`, which then leaves nothing booked for the stack.
    pub fn book(
        &self,
        place: &Place,
        stack: &Stack,
        rules: Vec<bus::Rule>,
        check: impl FnOnce(&[bus::Rule]) -> Result<()>,
    ) -> Result<()> {
        let mut bookings = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        bookings.retain(|booking| booking.place != *place || booking.stack != *stack);
        let beside = bookings.iter().filter(|booking| booking.place == *place);
        check(&beside.flat_map(|booking| booking.rules.iter().cloned()).collect::<Vec<_>>())?;
        bookings.push(Booking { place: place.clone(), stack: stack.clone(), rules });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;

    #[test]
    fn stack_sees_the_rules_of_the_others_in_its_account_and_region_alone() {
        let room = Room::default();
        let book = |account: &str, name: &str, fits: bool| {
            let stack = Stack { name: name.parse().unwrap(), region: "us-east-1".to_owned() };
            let rule = bus::Rule {
                name: name.to_owned(),
                description: String::new(),
                is_enabled: true,
                has_wildcard: false,
                pattern: serde_json::Value::Null,
            };
            let mut beside = Vec::new();
            let outcome = room.book(&Place::of_region(account, "us-east-1"), &stack, vec![rule], |others| {
                beside.extend(others.iter().map(|rule| rule.name.clone()));
                if fits { Ok(()) } else { Err(Error::usage("full")) }
            });
            assert_eq!(outcome.is_ok(), fits);
            beside
        };
        assert_eq!(book("123456789012", "a", true), [""; 0]);
        assert_eq!(book("123456789012", "b", true), ["a"]);
        assert_eq!(book("210987654321", "c", true), [""; 0]);
        // A second look replaces the first one, and a refused stack has no room.
        assert_eq!(book("123456789012", "a", false), ["b"]);
        assert_eq!(book("123456789012", "d", true), ["b"]);
    }
}
