//! Tampering: by accident (any bit), and on purpose with every checksum made to fit.

use std::fs;
use std::path::Path;
use std::time::Duration;

use portcullis_merkle::{Checkpoint, PublicKey, Signer};

use super::{entry, options};
use crate::files::frame;
use crate::{Flaw, Ledger, LedgerError, LedgerOptions, LedgerReader, Query, Record, Row, Signing};
use crate::{Verified, Verify};

const SEGMENT: &str = "audit/00000000000000000001.segment";

type Change = fn(&mut Vec<String>);

struct Case {
    folder: tempfile::TempDir,
    key: PublicKey,
    elsewhere: Vec<Checkpoint>,
}

fn signing(signer: &Signer) -> LedgerOptions {
    let signing = Signing { signer: signer.clone(), entries: 10, within: Duration::MAX };
    LedgerOptions { signing: Some(signing), segment_bytes: 1 << 20, ..options() }
}

async fn fill(ledger: &Ledger, numbers: std::ops::Range<i64>) {
    for number in numbers {
        ledger.append(Record::new(&entry(number)).unwrap()).await.unwrap();
    }
}

/// `signed` entries under checkpoints every ten, and `tail` more that nobody signed.
async fn case(signed: i64, tail: i64) -> Case {
    let folder = tempfile::tempdir().unwrap();
    let signer = Signer::parse(&Signer::generate("test/audit").unwrap()).unwrap();
    let (ledger, _) = Ledger::open(folder.path(), signing(&signer)).unwrap();
    fill(&ledger, 0..signed).await;
    drop(ledger);
    let (ledger, _) =
        Ledger::open(folder.path(), LedgerOptions { signing: None, ..options() }).unwrap();
    fill(&ledger, signed..signed + tail).await;
    drop(ledger);
    let elsewhere = LedgerReader::open(folder.path()).unwrap().checkpoints().unwrap();
    Case { folder, key: PublicKey::parse(signer.public()).unwrap(), elsewhere }
}

impl Case {
    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Against the record's own checkpoints alone.
    fn alone(&self) -> Result<Verified, LedgerError> {
        LedgerReader::verify(self.path(), &Verify { key: Some(&self.key), ..Verify::default() })
    }

    /// Against those that were kept elsewhere too.
    fn proven(&self) -> Result<Verified, LedgerError> {
        let elsewhere = &self.elsewhere;
        let verify =
            Verify { key: Some(&self.key), kept_elsewhere: elsewhere, ..Verify::default() };
        LedgerReader::verify(self.path(), &verify)
    }

    /// Changes the list of payloads and writes it back with numbers and checksums that fit.
    fn rewrite(&self, renumber: bool, change: impl FnOnce(&mut Vec<String>)) {
        let path = self.path().join(SEGMENT);
        let bytes = fs::read(&path).unwrap();
        let (mut at, mut payloads, mut synced) = (24, Vec::new(), Vec::new());
        while at < bytes.len() {
            let read = frame::decode(&bytes[at..]).unwrap();
            payloads.push(String::from_utf8(read.payload.to_vec()).unwrap());
            synced.push(read.synced);
            at += read.bytes.len();
        }
        change(&mut payloads);
        let mut out = bytes[..24].to_vec();
        for (at, payload) in payloads.iter().enumerate() {
            let rest = payload.split_once(',').unwrap().1;
            let numbered = format!("{{\"seq\":{},{rest}", at + 1);
            let payload = if renumber { &numbered } else { payload };
            let synced = synced.get(at).copied().unwrap_or(0);
            frame::encode(&mut out, synced, payload.as_bytes()).unwrap();
        }
        fs::write(path, out).unwrap();
        let _ = fs::remove_dir_all(self.path().join("index"));
    }
}

/// The number and the flaw that an error names.
fn named(result: Result<Verified, LedgerError>) -> (Option<u64>, Flaw) {
    match result.unwrap_err() {
        LedgerError::Corrupt { seq, flaw, .. } => (seq, flaw),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_sound_record_verifies_and_says_what_is_signed() {
    let case = case(30, 7).await;
    let found = case.alone().unwrap();
    assert_eq!((found.entries, found.signed, found.proven, found.checkpoints), (37, 30, 0, 3));
    assert_eq!(case.proven().unwrap().proven, 30);
    let read: u64 = fs::read_dir(case.path().join("audit"))
        .unwrap()
        .map(|file| file.unwrap().metadata().unwrap().len())
        .sum();
    assert_eq!(found.bytes, read);
}

#[tokio::test]
async fn one_bit_anywhere_is_found() {
    let case = case(3, 1).await;
    for file in fs::read_dir(case.path().join("audit")).unwrap() {
        let path = file.unwrap().path();
        let whole = fs::read(&path).unwrap();
        for at in 0..whole.len() {
            let mut changed = whole.clone();
            changed[at] ^= 1 << (at % 8);
            fs::write(&path, changed).unwrap();
            let found = case.alone();
            assert!(found.is_err(), "{}: byte {at}: {found:?}", path.display());
        }
        fs::write(&path, whole).unwrap();
    }
    case.proven().unwrap();
}

#[tokio::test]
async fn the_first_entry_is_named_when_every_checksum_fits() {
    let case = case(30, 0).await;
    let whole = fs::read(case.path().join(SEGMENT)).unwrap();
    let tries: [(bool, Change, u64, Flaw); 7] = [
        (true, |all| all[16] = all[16].replace("stop", "stoq"), 17, Flaw::Changed),
        (false, |all| drop(all.remove(16)), 17, Flaw::Removed),
        (false, |all| all.swap(16, 17), 17, Flaw::Reordered),
        (false, |all| all.insert(16, all[4].clone()), 17, Flaw::Added),
        // With the numbers made to fit, too, every later entry is another one.
        (true, |all| drop(all.remove(16)), 17, Flaw::Changed),
        (true, |all| all.swap(16, 17), 17, Flaw::Changed),
        (true, |all| all.truncate(20), 21, Flaw::Removed),
    ];
    for (renumber, change, seq, flaw) in tries {
        case.rewrite(renumber, change);
        assert_eq!(named(case.alone()), (Some(seq), flaw));
        assert_eq!(named(case.proven()), (Some(seq), flaw));
        fs::write(case.path().join(SEGMENT), &whole).unwrap();
    }
    case.proven().unwrap();
}

#[tokio::test]
async fn who_rewrites_and_signs_everything_is_found_by_a_checkpoint_from_elsewhere_alone() {
    let case = case(30, 0).await;
    case.rewrite(true, |all| all[16] = all[16].replace("stop", "stoq"));
    fs::remove_file(case.path().join("audit/tree")).unwrap();
    // No tree is made for it; the record's own checkpoints still tell.
    let error = Ledger::open(case.path(), options()).err().unwrap();
    assert!(matches!(error, LedgerError::NotAsSigned { size: 30, good: 10, .. }));
    assert!(error.to_string().contains("(the first 10 entries do)"), "{error}");
    assert!(!case.path().join("audit/tree").exists());
    assert!(matches!(case.alone(), Err(LedgerError::NotAsSigned { size: 20, good: 10, .. })));
    fs::remove_file(case.path().join("audit/checkpoints")).unwrap();
    drop(Ledger::open(case.path(), options()).unwrap());
    assert_eq!(case.alone().unwrap().signed, 0);
    assert!(matches!(case.proven(), Err(LedgerError::NotAsSigned { size: 20, good: 10, .. })));
}

#[tokio::test]
async fn an_older_copy_is_not_signed_again() {
    let case = case(30, 0).await;
    case.rewrite(true, |all| all.truncate(20));
    let opened = Ledger::open(case.path(), options());
    assert!(matches!(opened, Err(LedgerError::NotAsSigned { size: 30, entries: 20, .. })));
}

#[tokio::test]
async fn a_record_that_is_refused_is_left_as_it_was_found() {
    let case = case(30, 0).await;
    let audit = case.path().join("audit");
    let read = || {
        let mut files: Vec<_> = fs::read_dir(&audit).unwrap().map(|f| f.unwrap().path()).collect();
        files.sort();
        files.into_iter().map(|file| (fs::read(&file).unwrap(), file)).collect::<Vec<_>>()
    };
    let file = fs::File::options().write(true).open(case.path().join(SEGMENT)).unwrap();
    // In the last frame, in the header of the first, and in the segment's header.
    for length in [file.metadata().unwrap().len() - 10, 30, 10, 0] {
        file.set_len(length).unwrap();
        let found = read();
        let error = Ledger::open(case.path(), options()).err().unwrap();
        let good = if length > 30 { 20 } else { 0 };
        assert!(
            matches!(error, LedgerError::NotAsSigned { size: 30, good: g, .. } if g == good),
            "{error}"
        );
        assert_eq!(error.to_string().contains("(the first"), good > 0, "{error}");
        assert!(read() == found, "cut at {length}");
    }
}

#[tokio::test]
async fn another_key_does_not_sign_on() {
    let case = case(30, 0).await;
    let other = Signer::parse(&Signer::generate("test/audit").unwrap()).unwrap();
    let error = Ledger::open(case.path(), signing(&other)).err().unwrap();
    assert!(matches!(error, LedgerError::OtherKey { size: 30 }), "{error}");
    case.proven().unwrap();
}

#[tokio::test]
async fn what_is_no_file_of_the_record_is_refused() {
    let case = case(10, 0).await;
    fs::write(case.path().join("audit/notes.txt"), b"").unwrap();
    assert_eq!(named(case.alone()).1, Flaw::Foreign);
}

#[tokio::test]
async fn torn_tree_and_checkpoints_are_mended_and_verify() {
    let case = case(10, 5).await;
    for (file, keep) in [("audit/tree", 20), ("audit/checkpoints", 30), ("audit/tree", 0)] {
        let path = case.path().join(file);
        let mut bytes = fs::read(&path).unwrap();
        let torn = bytes.len() - keep.min(bytes.len());
        bytes.truncate(if keep == 0 { 0 } else { torn });
        fs::write(&path, bytes).unwrap();
        drop(Ledger::open(case.path(), options()).unwrap());
        case.alone().unwrap();
        case.proven().unwrap();
    }
}

#[tokio::test]
async fn a_row_is_proven_to_whoever_has_the_key() {
    let case = case(30, 3).await;
    let reader = LedgerReader::open(case.path()).unwrap();
    let row = |seq: u64| {
        let rows = reader.search(Query::default()).map(Result::unwrap);
        rows.into_iter().find(|row: &Row| row.seq == seq).unwrap()
    };
    for checkpoint in &case.elsewhere {
        let proof = reader.prove(&row(5), checkpoint).unwrap().unwrap();
        let (leaf, signed) = proof.check(&case.key).unwrap();
        assert_eq!(&signed, checkpoint);
        let proven = Row::of_frame(&leaf).unwrap();
        assert_eq!((proven.seq, proven.content), (5, row(5).content));
    }
    let newest = case.elsewhere.last().unwrap();
    assert!(reader.prove(&row(31), newest).unwrap().is_err());
}
