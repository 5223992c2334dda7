//! Moderation's section of a policy.

use std::collections::BTreeMap;

use portcullis_detect::Entity;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What counts as a leak in an answer of the bot.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Whether each sort of value is a leak where this conversation did not bring it in. A sort that
    /// is not named is, except telephone numbers and the addresses of places and machines, which bots give
    /// out all day: `phone = true` makes them leaks too. `email = false` suits a bot that gives out addresses of its shop.
    pub entities: BTreeMap<Entity, bool>,
}

impl Settings {
    /// Whether a value of this sort can be a leak.
    pub fn counts(&self, entity: Entity) -> bool {
        self.entities.get(&entity).copied().unwrap_or(!entity.is_often_public())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_counts_unless_it_is_switched_off() {
        let settings: Settings =
            serde_json::from_str("{\"entities\": {\"email\": false}}").unwrap();
        assert!(!settings.counts(Entity::Email) && settings.counts(Entity::Card));
        assert!(!settings.counts(Entity::Phone) && settings.counts(Entity::Iban));
        assert!(serde_json::from_str::<Settings>("{\"words\": []}").is_err());
    }
}
