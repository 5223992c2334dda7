//! The frame: how one entry stands in a segment.
//!
//! ```text
//! magic "PLF1" | length u32 | synced u32 | crc32 u32 | payload (length bytes)      little-endian
//! ```
//! The checksum (CRC-32, IEEE 802.3) is over length, synced and payload. `synced` is how many bytes of
//! this segment were known to be on the disk when the frame was written. It is what tells a torn last
//! batch from damage: bytes that a later frame vouches for cannot have been lost by a crash.

use crate::Flaw;

/// Bytes before the payload.
pub const HEADER: usize = 16;

/// The longest payload in bytes.
pub const MAX_PAYLOAD: usize = 16 << 20;

const MAGIC: [u8; 4] = *b"PLF1";

/// A frame that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Bytes of the segment that were durable when this was written.
    pub synced: u32,
    /// The entry.
    pub payload: &'a [u8],
    /// Header and payload: what the tree hashes.
    pub bytes: &'a [u8],
}

impl Frame<'_> {
    /// Bytes that the frame takes in the file.
    pub fn size(&self) -> u64 {
        (HEADER + self.payload.len()) as u64
    }
}

/// Appends a frame to `out`; `None`, and nothing appended, if the payload is longer than [`MAX_PAYLOAD`].
pub fn encode(out: &mut Vec<u8>, synced: u32, payload: &[u8]) -> Option<()> {
    if payload.len() > MAX_PAYLOAD {
        return None;
    }
    let length = (payload.len() as u32).to_le_bytes();
    let synced = synced.to_le_bytes();
    out.reserve(HEADER + payload.len());
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&length);
    out.extend_from_slice(&synced);
    out.extend_from_slice(&checksum(length, synced, payload).to_le_bytes());
    out.extend_from_slice(payload);
    Some(())
}

/// Reads the frame at the beginning of `bytes`.
///
/// # Errors
/// What is wrong with it; [`Flaw::Short`] if it goes on beyond the end of `bytes`.
pub fn decode(bytes: &[u8]) -> Result<Frame<'_>, Flaw> {
    let header = Header::read(bytes)?;
    let bytes = bytes.get(..HEADER + header.length).ok_or(Flaw::Short)?;
    let payload = bytes.get(HEADER..).unwrap_or_default();
    header.check(payload)?;
    Ok(Frame { synced: header.synced, payload, bytes })
}

/// The first bytes of a frame, for those who read the payload in a second step.
#[derive(Debug, Clone, Copy)]
pub struct Header {
    /// Bytes of payload.
    pub length: usize,
    /// See [`Frame::synced`].
    pub synced: u32,
    crc: u32,
}

impl Header {
    /// Reads a header.
    pub fn read(bytes: &[u8]) -> Result<Self, Flaw> {
        let mut words = bytes.chunks_exact(4).map(|word| word.try_into().unwrap_or([0; 4]));
        let mut word = || words.next().ok_or(Flaw::Short);
        if word()? != MAGIC {
            return Err(Flaw::Magic);
        }
        let [length, synced, crc] =
            [word()?, word()?, word()?].map(|word: [u8; 4]| u32::from_le_bytes(word));
        if length as usize > MAX_PAYLOAD {
            return Err(Flaw::Length);
        }
        Ok(Self { length: length as usize, synced, crc })
    }

    /// Compares the checksum with the payload.
    pub fn check(&self, payload: &[u8]) -> Result<(), Flaw> {
        let length = (self.length as u32).to_le_bytes();
        if checksum(length, self.synced.to_le_bytes(), payload) == self.crc {
            Ok(())
        } else {
            Err(Flaw::Checksum)
        }
    }
}

/// The highest `synced` among whole frames anywhere in `bytes`, whatever stands between them.
pub fn vouched(bytes: &[u8]) -> Option<u32> {
    memchr::memmem::find_iter(bytes, &MAGIC)
        .filter_map(|at| decode(bytes.get(at..)?).ok())
        .map(|frame| frame.synced)
        .max()
}

fn checksum(length: [u8; 4], synced: [u8; 4], payload: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&length);
    crc.update(&synced);
    crc.update(payload);
    crc.finalize()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn frames_read_as_written(
            payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..8),
            synced in any::<u32>(),
        ) {
            let mut file = Vec::new();
            for payload in &payloads {
                encode(&mut file, synced, payload).unwrap();
            }
            let mut rest = file.as_slice();
            for payload in &payloads {
                let frame = decode(rest).unwrap();
                prop_assert_eq!(frame.payload, payload.as_slice());
                prop_assert_eq!(frame.synced, synced);
                rest = &rest[frame.size() as usize..];
            }
            prop_assert!(rest.is_empty());
            prop_assert_eq!(vouched(&file), (!payloads.is_empty()).then_some(synced));
        }

        #[test]
        fn one_changed_bit_is_found(
            payload in prop::collection::vec(any::<u8>(), 0..300),
            place in any::<prop::sample::Index>(),
            bit in 0..8_u32,
        ) {
            let mut file = Vec::new();
            encode(&mut file, 7, &payload).unwrap();
            let at = place.index(file.len());
            file[at] ^= 1_u8 << bit;
            prop_assert!(decode(&file).is_err());
        }

        #[test]
        fn any_bytes_are_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let _ = decode(&bytes);
            let _ = vouched(&bytes);
        }
    }

    #[test]
    fn every_shorter_form_is_short() {
        let mut file = Vec::new();
        encode(&mut file, 0, b"payload").unwrap();
        for length in 0..file.len() {
            assert_eq!(decode(&file[..length]), Err(Flaw::Short));
        }
    }

    #[test]
    fn too_long_is_refused() {
        let mut file = Vec::new();
        assert_eq!(encode(&mut file, 0, &vec![0; MAX_PAYLOAD + 1]), None);
        assert!(file.is_empty());
    }
}
