//! The shape of a text: what a watch over many messages may know of one whose words it must not see.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Length, disorder and a sketch of a text. Texts that share most of their words have sketches that share some
/// of their quarters; the sketch is keyed, so that nobody without the key can try words against it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Shape {
    /// Unicode scalar values.
    pub chars: u32,
    /// Words, as white space parts them.
    pub words: u32,
    /// Shannon entropy of the bytes, in bits a byte: 0 for one byte repeated, about 4 for prose, about 6
    /// for base64.
    pub entropy: f32,
    /// MinHash (Broder 1997) over pairs of neighbouring lower-cased words: four of 16 bits, in hex.
    pub sketch: Sketch,
}

/// 64 bits, written as 16 hex digits: JSON numbers lose bits past 53.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Sketch(pub u64);

impl Serialize for Sketch {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&format_args!("{:016x}", self.0))
    }
}

impl<'de> Deserialize<'de> for Sketch {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let hex = String::deserialize(from)?;
        u64::from_str_radix(&hex, 16).map(Self).map_err(|_| serde::de::Error::custom("not hex"))
    }
}

impl JsonSchema for Sketch {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Sketch".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "string", "pattern": "^[0-9a-f]{16}$"})
    }
}

impl Sketch {
    /// The four parts; the chance that one is equal in two texts is the share of word pairs that they have in
    /// common.
    pub fn quarters(self) -> [u16; 4] {
        [48, 32, 16, 0].map(|shift| (self.0 >> shift) as u16)
    }

    /// In how many of the four parts two sketches are equal.
    pub fn shared(self, other: Self) -> usize {
        self.quarters().iter().zip(other.quarters()).filter(|(a, b)| **a == *b).count()
    }
}

impl Shape {
    /// The shape of a text under a key. One pass, linear in the length.
    pub fn of(text: &str, key: u64) -> Self {
        let mut least = [u64::MAX; 4];
        let mut before = None;
        let mut words = 0;
        for word in text.split_whitespace() {
            words += 1;
            let letters = word.chars().flat_map(char::to_lowercase).filter(|c| c.is_alphanumeric());
            let hash = letters.fold(mix(key), |hash, c| mix(hash ^ u64::from(c)));
            if let Some(before) = before.replace(hash) {
                for (place, least) in (1u64..).zip(&mut least) {
                    *least = (*least).min(mix(hash ^ mix(before ^ place)));
                }
            }
        }
        let sketch = least.iter().fold(0, |sketch, least| sketch << 16 | least & 0xffff);
        Self {
            chars: u32::try_from(text.chars().count()).unwrap_or(u32::MAX),
            words,
            entropy: entropy(text.as_bytes()),
            sketch: Sketch(sketch),
        }
    }
}

/// A finishing round of SplitMix64 (Steele, Lea, Flood 2014).
fn mix(mut value: u64) -> u64 {
    value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// Shannon entropy in bits a byte; 0 for nothing.
fn entropy(bytes: &[u8]) -> f32 {
    let mut counts = [0u32; 256];
    for byte in bytes {
        if let Some(count) = counts.get_mut(usize::from(*byte)) {
            *count += 1;
        }
    }
    let total = bytes.len() as f32;
    -counts
        .iter()
        .filter(|count| **count > 0)
        .map(|count| {
            let share = *count as f32 / total;
            share * share.log2()
        })
        .sum::<f32>()
        + 0.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alike_texts_share_quarters_and_others_do_not() {
        let text = |place: &str, order: u32| {
            format!(
                "Please send the gift card code for order {order} to my new address in {place} today"
            )
        };
        let of = |text: &str| Shape::of(text, 7).sketch;
        let one = of(&text("Berlin", 0));
        let alike = (1..100).filter(|order| one.shared(of(&text("Berlin", *order))) >= 2).count();
        assert!(alike > 80, "{alike}");
        let other =
            "How do I change the language of the mobile application on my old telephone today";
        assert!(one.shared(of(other)) < 2);
        assert_ne!(one, Shape::of(&text("Berlin", 0), 8).sketch);
    }

    #[test]
    fn entropy_is_of_the_bytes() {
        assert_eq!(Shape::of("aaaa", 1).entropy, 0.0);
        assert_eq!(Shape::of("abab", 1).entropy, 1.0);
        assert_eq!(
            Shape::of("", 1),
            Shape { chars: 0, words: 0, entropy: 0.0, sketch: Sketch(u64::MAX) }
        );
    }

    #[test]
    fn a_sketch_survives_json_whole() {
        let shape = Shape::of("a text of some words", u64::MAX);
        let read: Shape = serde_json::from_str(&serde_json::to_string(&shape).unwrap()).unwrap();
        assert_eq!(read, shape);
    }
}
