//! A file that a command writes: whole or not at all, and never over what it reads or over a record.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::Context;

/// What tells that a folder is of a gateway's data: files are written there by the gateway alone.
const OF_A_RECORD: [&str; 5] = [
    "ledger.lock",
    "audit/00000000000000000001.segment",
    "00000000000000000001.segment",
    "keys/checkpoint.key",
    "checkpoint.key",
];

/// A file that is being written under another name beside its own, and gets its own when it is whole. Dropped before,
/// it leaves what was there.
pub struct NewFile {
    to: BufWriter<File>,
    /// Where it is written; `None` where it is written in its place, because it is a pipe or a device.
    part: Option<PathBuf>,
    path: PathBuf,
    /// For people.
    name: String,
}

impl NewFile {
    /// Begins the file `path`, which must be none of `others`, the files that the command reads or writes too. A new
    /// one is for its owner alone where it is `private`; one that is there keeps its rights.
    ///
    /// # Errors
    /// If it is one of `others`, lies in the folder of a record, or cannot be written.
    pub fn begin(path: &Path, private: bool, others: &[&Path]) -> anyhow::Result<Self> {
        let name = path.display().to_string();
        let about = fs::metadata(path).ok();
        let mut options = File::options();
        options.write(true).mode(if private { 0o600 } else { 0o666 });
        if about.as_ref().is_some_and(|about| !about.is_file() && !about.is_dir()) {
            let to = BufWriter::new(options.open(path).with_context(|| name.clone())?);
            return Ok(Self { to, part: None, path: path.to_owned(), name });
        }
        anyhow::ensure!(!about.as_ref().is_some_and(fs::Metadata::is_dir), "{name}: is a folder");
        let path = resolved(path).with_context(|| name.clone())?;
        for other in others {
            let is_same = resolved(other).is_ok_and(|other| other == path);
            anyhow::ensure!(
                !is_same,
                "{name}: is the same file as {}: write it elsewhere",
                other.display()
            );
        }
        if let Some(folder) = path.ancestors().skip(1).find(|folder| is_of_a_record(folder)) {
            let folder = folder.display();
            anyhow::bail!("{name}: lies in a folder of the record, {folder}: write it elsewhere");
        }
        let part = beside(&path);
        let file = options.create_new(true).open(&part).with_context(|| name.clone())?;
        let new = Self { to: BufWriter::new(file), part: Some(part), path, name };
        if let Some(about) = about {
            let kept = new.to.get_ref().set_permissions(about.permissions());
            kept.with_context(|| new.name.clone())?;
        }
        Ok(new)
    }

    /// The file is whole: it takes the place of the one that was there.
    ///
    /// # Errors
    /// If it cannot be written to its end.
    pub fn finish(mut self) -> anyhow::Result<()> {
        self.put_in_place().with_context(|| self.name.clone())
    }

    fn put_in_place(&mut self) -> io::Result<()> {
        self.to.flush()?;
        if let Some(part) = &self.part {
            self.to.get_ref().sync_all()?;
            fs::rename(part, &self.path)?;
            self.part = None;
        }
        Ok(())
    }
}

impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.to.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if let Some(part) = &self.part {
            // What cannot be removed is left under its own name, where it harms nobody.
            let _ = fs::remove_file(part);
        }
    }
}

/// The file without links on the way; one that is not there yet, in its folder.
fn resolved(path: &Path) -> io::Result<PathBuf> {
    match fs::canonicalize(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let name = path.file_name().ok_or(error)?;
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
            Ok(fs::canonicalize(folder.unwrap_or(Path::new(".")))?.join(name))
        }
        found => found,
    }
}

fn is_of_a_record(folder: &Path) -> bool {
    OF_A_RECORD.iter().any(|file| folder.join(file).exists())
}

/// A name for it until it is whole.
fn beside(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.{}.part", std::process::id()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let files = fs::read_dir(folder).unwrap();
        files.map(|file| file.unwrap().file_name().to_string_lossy().into_owned()).collect()
    }

    fn why(begun: anyhow::Result<NewFile>) -> String {
        format!("{:#}", begun.err().unwrap())
    }

    #[test]
    fn what_was_there_stays_until_the_new_one_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.txt");
        let mut file = NewFile::begin(&path, true, &[]).unwrap();
        file.write_all(b"old").unwrap();
        assert!(!path.exists());
        file.finish().unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let mut file = NewFile::begin(&path, true, &[]).unwrap();
        file.write_all(b"half").unwrap();
        drop(file);
        assert_eq!(fs::read(&path).unwrap(), b"old");
        let mut file = NewFile::begin(&path, true, &[]).unwrap();
        file.write_all(b"new").unwrap();
        file.finish().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
        assert_eq!(names(folder.path()), ["out.txt"]);
    }

    #[test]
    fn what_is_read_and_what_is_of_a_record_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let (input, link) = (folder.path().join("in.jsonl"), folder.path().join("link.jsonl"));
        fs::write(&input, "precious").unwrap();
        std::os::unix::fs::symlink(&input, &link).unwrap();
        for path in [&input, &link] {
            assert!(why(NewFile::begin(path, false, &[&input])).contains("is the same file as"));
        }
        assert!(why(NewFile::begin(folder.path(), false, &[])).contains("is a folder"));
        let data = folder.path().join("data");
        fs::create_dir_all(data.join("audit")).unwrap();
        let segment = data.join("audit/00000000000000000001.segment");
        fs::write(&segment, "precious").unwrap();
        for path in [&segment, &data.join("audit/new"), &data.join("master.secret")] {
            assert!(why(NewFile::begin(path, true, &[])).contains("folder of the record"));
        }
        assert_eq!(fs::read(&input).unwrap(), fs::read(&segment).unwrap());
        assert_eq!(names(&data.join("audit")).len(), 1);
        // A device is no file to be replaced.
        let mut null = NewFile::begin(Path::new("/dev/null"), true, &[]).unwrap();
        null.write_all(b"gone").unwrap();
        null.finish().unwrap();
        assert!(!fs::metadata("/dev/null").unwrap().is_file());
    }
}
