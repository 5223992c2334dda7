//! The name under which a rule counts for a message: a digest, so that no store sees who it is. Speaker,
//! conversation and API key come here as keyed hashes already; an address does not.

use std::net::IpAddr;

use portcullis_core::Ask;
use sha2::{Digest, Sha256};

use super::{Algorithm, Key, Rule};
use crate::hex;

/// The key of a rule; `None` where the message lacks a part of it.
pub(super) fn of(rule: &Rule, ask: &Ask) -> Option<String> {
    let interaction = &ask.interaction;
    let mut hash = Sha256::new();
    let mut add = |part: &str| {
        hash.update(u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
        hash.update(part);
    };
    add(interaction.bot.as_str());
    add(&rule.name);
    // What was counted by one algorithm means nothing to the other.
    add(match rule.algorithm {
        Algorithm::Gcra => "gcra",
        Algorithm::Window => "window",
    });
    for key in rule.key.all() {
        match key {
            Key::Speaker => add(interaction.speaker.as_ref()?.as_str()),
            Key::Conversation => add(interaction.conversation.as_ref()?.as_str()),
            Key::Address => add(&first(interaction.client_addr?, 32, 64).to_string()),
            Key::Network => add(&first(interaction.client_addr?, 24, 64).to_string()),
            Key::Host => add(&first(interaction.client_addr?, 32, 128).to_string()),
            Key::ApiKey => add(ask.known.api_key.as_ref()?),
            Key::Bot => add(""),
        }
    }
    hash.finalize().get(..16).map(hex::encode)
}

/// The first bits of an address. An IPv4 address in IPv6 clothes is an IPv4 address.
fn first(address: IpAddr, of_v4: u32, of_v6: u32) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            let mask = u32::MAX.checked_shl(32 - of_v4).unwrap_or(0);
            IpAddr::V4((u32::from(v4) & mask).into())
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX.checked_shl(128 - of_v6).unwrap_or(0);
            IpAddr::V6((u128::from(v6) & mask).into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_cut_where_they_should_be() {
        let cut = |address: &str, v4, v6| first(address.parse().unwrap(), v4, v6).to_string();
        assert_eq!(cut("192.0.2.77", 24, 64), "192.0.2.0");
        assert_eq!(cut("192.0.2.77", 32, 64), "192.0.2.77");
        assert_eq!(cut("::ffff:192.0.2.77", 24, 64), "192.0.2.0");
        assert_eq!(cut("2001:db8:1:2:3:4:5:6", 24, 64), "2001:db8:1:2::");
        assert_eq!(cut("2001:db8:1:2:3:4:5:6", 24, 128), "2001:db8:1:2:3:4:5:6");
    }
}
