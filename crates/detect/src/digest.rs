//! Salted digests of values, so that a conversation remembers a value without holding it.

use sha2::{Digest, Sha256};

use crate::Entity;

/// Bytes of the digest that are kept: 128 bits, so that two values of a conversation do not collide.
const KEPT: usize = 16;

/// Hex of the first 16 bytes of SHA-256 over the salt's length, the salt and the normalised value.
///
/// Cards and e-mail addresses have too little entropy for a digest to hide them from somebody who
/// holds the salt too: the salt must be secret and belong to one conversation.
pub fn value_digest(salt: &str, entity: Entity, value: &str) -> String {
    let digest = Sha256::new()
        .chain_update((salt.len() as u64).to_be_bytes())
        .chain_update(salt.as_bytes())
        .chain_update(entity.normalise(value).as_bytes())
        .finalize();
    let mut hex = String::with_capacity(2 * KEPT);
    for byte in digest.iter().take(KEPT) {
        for nibble in [byte >> 4, byte & 15] {
            hex.extend(char::from_digit(u32::from(nibble), 16));
        }
    }
    hex
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_have_equal_digests_under_one_salt_only() {
        let one = value_digest("s1", Entity::Email, "Jane@Example.org");
        assert_eq!(one, value_digest("s1", Entity::Email, "jane@example.org"));
        assert_ne!(one, value_digest("s2", Entity::Email, "jane@example.org"));
        assert_eq!(one.len(), 32);
        assert_eq!(
            value_digest("s", Entity::Card, "4111-1111 1111 1111"),
            value_digest("s", Entity::Card, "4111111111111111"),
        );
    }

    #[test]
    fn salt_and_value_do_not_run_into_each_other() {
        assert_ne!(value_digest("ab", Entity::Jwt, "c"), value_digest("a", Entity::Jwt, "bc"));
    }
}
