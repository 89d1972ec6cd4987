//! Compares addresses as the rule engine does: by the digits of a range's two ends, regardless of the versions of the addresses.

use std::net::Ipv6Addr;

/// A range from the first address to the last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Range {
    first: Vec<u8>,
    last: Vec<u8>,
}

/// The reason why a text is not a range, in the engine's words.
pub type Malformed = String;

impl Range {
    /// Returns the range of a single address, which accepts every notation of that address; none if the text is not an address.
    #[must_use]
    pub fn of_one(text: &str) -> Option<Self> {
        let address = address(text).ok()?;
        Some(Self { first: address.clone(), last: address })
    }

    /// # Errors
    /// If the text is not a CIDR block, or is the block of a single address.
    pub fn of_block(text: &str) -> Result<Self, Malformed> {
        // The engine ignores slashes at the end.
        let parts: Vec<&str> = text.trim_end_matches('/').split('/').collect();
        let &[base, mask] = parts.as_slice() else {
            return Err("Malformed CIDR, one '/' required".to_owned());
        };
        let mask: i32 = mask.parse().map_err(|_| "Malformed CIDR, mask bits must be an integer")?;
        let mask = usize::try_from(mask).map_err(|_| "Malformed CIDR, mask bits must not be negative")?;
        let base = address(base)?;
        match base.len() {
            4 if mask > 31 => return Err("IPv4 mask bits must be < 32".to_owned()),
            16 if mask > 127 => return Err("IPv6 mask bits must be < 128".to_owned()),
            _ => {}
        }
        let free =
            |at: usize| 0xff_u8.checked_shr(u32::try_from(mask.saturating_sub(at * 8)).unwrap_or(8)).unwrap_or(0);
        let first = base.iter().enumerate().map(|(at, byte)| byte & !free(at)).collect();
        let last = base.iter().enumerate().map(|(at, byte)| byte | free(at)).collect();
        Ok(Self { first, last })
    }

    /// Checks whether an address is in the range. An address longer than the range's is cut; a shorter one has to be strictly
    /// between the beginnings of the two ends.
    #[must_use]
    pub fn accepts(&self, text: &str) -> bool {
        let Ok(address) = address(text) else { return false };
        let Self { first, last } = self;
        match (address.get(..first.len()), first.get(..address.len()), last.get(..address.len())) {
            (Some(cut), ..) => *first.as_slice() <= *cut && *cut <= *last.as_slice(),
            (None, Some(first), Some(last)) => *first < *address && *address < *last,
            _ => false,
        }
    }
}

/// Parses an address of four or sixteen bytes. Ignores leading zeros, accepts dots in version 4 alone, and reads a version 4
/// address in the notation of version 6 as version 4.
fn address(text: &str) -> Result<Vec<u8>, Malformed> {
    let digits = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_digit());
    let dotted: Vec<&str> = text.split('.').collect();
    if dotted.len() == 4 && dotted.iter().all(|part| digits(part)) {
        let bytes: Option<Vec<u8>> = dotted.iter().map(|part| part.parse().ok()).collect();
        return bytes.filter(|_| text.len() <= 15).ok_or_else(|| format!("Invalid IP address: {text}"));
    }
    if !text.contains(':') || !text.chars().all(|c| c == ':' || c.is_ascii_hexdigit()) {
        return Err(format!("Nonstandard IP address: {text}"));
    }
    let short = |group: &str| match group.trim_start_matches('0') {
        "" => group.get(..group.len().min(1)).unwrap_or_default().to_owned(),
        rest => rest.to_owned(),
    };
    let groups: Vec<String> = text.split(':').map(short).collect();
    let address: Ipv6Addr = groups.join(":").parse().map_err(|_| format!("Invalid IP address: {text}"))?;
    Ok(address.to_ipv4_mapped().map_or_else(|| address.octets().to_vec(), |address| address.octets().to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Expects the answers of the service's own rule engine.
    #[test]
    fn addresses_are_compared_by_their_digits() {
        for (block, text, expected) in [
            ("10.0.0.0/24", "10.0.0.255", true),
            ("10.0.0.0/24", "10.0.1.0", false),
            ("10.0.0.0/8", "0010.1.1.1", true),
            ("10.0.0.0/8", "10.0.0.1/32", false),
            ("10.0.0.0/8", "::ffff:a01:203", true),
            ("10.0.0.0/8", "::ffff:10.1.2.3", false),
            ("10.0.0.0/8", "a12:3456::1", true),
            ("a00::/8", "10.18.2.3", true),
            ("2001:db8::/32", "2001:0db8::1", true),
            ("0.0.0.0/0", "::1", true),
            ("::/0", "1.2.3.4", true),
            ("::/0", "0.0.0.0", false),
        ] {
            assert_eq!(Range::of_block(block).unwrap().accepts(text), expected, "{block} {text}");
        }
        for (one, text, expected) in [
            ("10.0.0.1", "10.0.0.01", true),
            ("10.0.0.1", "a00:1::", true),
            ("a:0:0:0:0:0:0:1", "0000a::1", true),
            ("a00:1::", "10.0.0.1", false),
        ] {
            assert_eq!(Range::of_one(one).unwrap().accepts(text), expected, "{one} {text}");
        }
        assert_eq!(Range::of_one("10.1.1.300"), None);
    }
}
