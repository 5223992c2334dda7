//! Values as PostgreSQL keeps them.

use std::borrow::Cow;

use sha2::{Digest, Sha256};
use sqlx::encode::{Encode, IsNull};
use sqlx::error::BoxDynError;
use sqlx::postgres::{
    PgArgumentBuffer, PgHasArrayType, PgTypeInfo, PgValueFormat, PgValueRef, Postgres,
};
use sqlx::{Decode, Type};

/// Microseconds from 1970 to 2000, from where PostgreSQL counts.
const EPOCH: i64 = 946_684_800_000_000;

/// An index takes keys of a third of a page at most; ids are far shorter, unless somebody means harm.
const LONGEST_KEY: usize = 512;

/// A time in microseconds since 1970, as `timestamptz`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct At(pub(crate) i64);

impl Type<Postgres> for At {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_name("timestamptz")
    }
}

impl PgHasArrayType for At {
    fn array_type_info() -> PgTypeInfo {
        PgTypeInfo::with_name("timestamptz[]")
    }
}

impl Encode<'_, Postgres> for At {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        buffer.extend_from_slice(&self.0.saturating_sub(EPOCH).to_be_bytes());
        Ok(IsNull::No)
    }
}

impl Decode<'_, Postgres> for At {
    fn decode(value: PgValueRef<'_>) -> Result<Self, BoxDynError> {
        match value.format() {
            PgValueFormat::Binary => {
                let word = <[u8; 8]>::try_from(value.as_bytes()?)?;
                Ok(Self(i64::from_be_bytes(word).saturating_add(EPOCH)))
            }
            PgValueFormat::Text => Err("a time as text".into()),
        }
    }
}

/// What an id is unique under: itself, or what stands for a long one, which is no text and so no id.
pub(crate) fn key(id: &str) -> Cow<'_, [u8]> {
    if id.len() <= LONGEST_KEY {
        return Cow::Borrowed(id.as_bytes());
    }
    let mut key = vec![0xff];
    key.extend_from_slice(&Sha256::digest(id.as_bytes()));
    Cow::Owned(key)
}

/// A number of ours as PostgreSQL's.
pub(crate) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A number of PostgreSQL's as ours.
pub(crate) fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_ids_have_short_keys_that_differ() {
        let long = "x".repeat(100_000);
        assert_eq!(&*key("verdict/shop/1"), b"verdict/shop/1");
        assert_eq!(key(&long).len(), 33);
        assert_ne!(key(&long), key(&format!("{long}y")));
        assert!(std::str::from_utf8(&key(&long)).is_err());
    }
}
