//! Every command line in the documents is one that this program takes: in Markdown, in the charts and their values, and
//! beside what is deployed.

use std::path::{Path, PathBuf};

use clap::CommandFactory;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::Cli;

/// What holds no documents, or those of others.
const ELSEWHERE: [&str; 6] =
    ["target", "node_modules", ".git", ".run", "portcullis-data", "charts-packed"];

/// A command line as it stands somewhere.
struct Documented {
    line: String,
    /// In a block that people paste, where nothing may be missing.
    pasted: bool,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

fn files(folder: &Path, endings: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() {
            if !path.is_symlink() && !ELSEWHERE.contains(&name.as_str()) {
                found.extend(files(&path, endings));
            }
        } else if endings.iter().any(|ending| name.ends_with(ending)) {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// Command lines of a text: in blocks between three backticks, and between single ones.
fn commands(text: &str) -> Vec<Documented> {
    let mut found = Vec::new();
    let (mut prose, mut block) = (String::new(), None::<String>);
    for line in text.lines() {
        let line = line.trim_start();
        if line.starts_with("```") {
            block = match block {
                None => Some(String::new()),
                Some(text) => {
                    let lines = text.lines().map(str::trim);
                    let lines = lines.filter(|line| line.starts_with("portcullis "));
                    found.extend(lines.map(|line| Documented { line: line.into(), pasted: true }));
                    None
                }
            };
        } else if let Some(block) = &mut block {
            // A line that goes on is one with the next.
            match line.strip_suffix('\\') {
                Some(begun) => *block += begun,
                None => *block += &format!("{line}\n"),
            }
        } else {
            // A command may be broken between two lines, of a comment too.
            prose += &format!("{} ", line.trim_start_matches(['#', ' ']));
        }
    }
    let code = prose.split('`').skip(1).step_by(2).map(|code| code.replace("\\|", "|"));
    let code = code.filter(|code| code.starts_with("portcullis "));
    found.extend(code.map(|line| Documented { line, pasted: false }));
    found
}

/// The words of a line as a shell splits them, up to what is not of the command: a comment, a pipe, a redirection.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote, mut any) = (Vec::new(), String::new(), None, false);
    for c in line.chars().chain([' ']) {
        match (quote, c) {
            (Some(open), c) if open == c => quote = None,
            (None, '"' | '\'') => (quote, any) = (Some(c), true),
            (None, ' ') => {
                if any {
                    words.push(std::mem::take(&mut word));
                }
                any = false;
            }
            (_, c) => {
                word.push(c);
                any = true;
            }
        }
    }
    let end =
        words.iter().position(|word| ["#", "|", ">", "<", "&&", ";"].contains(&word.as_str()));
    words.truncate(end.unwrap_or(words.len()));
    words
}

/// The same with a value in the place of each that a template would fill in.
fn filled_in(line: &str) -> String {
    let mut pieces = line.split("{{");
    let mut filled = pieces.next().unwrap_or_default().to_owned();
    for (inner, rest) in pieces.filter_map(|piece| piece.split_once("}}")) {
        let first = inner.split_whitespace().next().unwrap_or_default();
        let is_value = !["range", "with", "if", "else", "end"].contains(&first);
        filled += if is_value { "1" } else { "" };
        filled += rest;
    }
    filled
}

/// Each command that a line means: `stop|start` is two, `[FILE]` may be left out, a word in capitals stands for a value,
/// and what comes after `…` is not known.
fn meant(words: &[String]) -> Vec<Vec<String>> {
    let mut all = vec![Vec::new()];
    for (at, word) in words.iter().enumerate() {
        let follows_flag = at > 0 && words[at - 1].starts_with("--");
        if word == "…" && !follows_flag {
            break;
        }
        if word.starts_with('[') {
            continue;
        }
        let each: Vec<&str> =
            if word.contains("://") { vec![word] } else { word.split('|').collect() };
        all = each
            .iter()
            .flat_map(|one| {
                let value = match one.trim_matches(['<', '>']) {
                    "N" | "NUMBER" => "1",
                    "MIB" => "64",
                    "URL" | "url" => "nats://127.0.0.1:4222",
                    "BOT" | "B" => "default",
                    other => other,
                };
                all.iter().map(|before| [before.as_slice(), &[value.to_owned()]].concat())
            })
            .collect();
    }
    all
}

/// Why the program would not take it. Where it only names a command, or says that something is left out, arguments may
/// be missing; the address of the server comes from the environment as well.
fn wrong(documented: &Documented, command: &[String]) -> Option<String> {
    let error = Cli::command().try_get_matches_from(command).err()?;
    let open = documented.line.contains('…');
    let fine = match error.kind() {
        ErrorKind::MissingRequiredArgument => {
            let missing = error.get(ContextKind::InvalidArg);
            let missing = match missing {
                Some(ContextValue::Strings(names)) => names.as_slice(),
                _ => &[],
            };
            !documented.pasted || open || missing.iter().all(|name| name.starts_with("--nats"))
        }
        ErrorKind::MissingSubcommand | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            !documented.pasted || open
        }
        ErrorKind::ValueValidation => open,
        _ => false,
    };
    (!fine).then(|| error.to_string().lines().next().unwrap_or_default().to_owned())
}

fn problems(text: &str) -> (usize, Vec<String>) {
    let (mut seen, mut problems) = (0, Vec::new());
    for documented in commands(text) {
        for command in meant(&words(&filled_in(&documented.line))) {
            seen += 1;
            let why = wrong(&documented, &command);
            problems.extend(why.map(|why| format!("{}: {why}", command.join(" "))));
        }
    }
    (seen, problems)
}

#[test]
fn every_documented_command_is_one() {
    let root = root();
    let mut documents = files(&root, &[".md"]);
    for folder in ["k8s", "deploy"] {
        documents.extend(files(&root.join(folder), &[".yaml", ".tpl", ".txt", ".toml", ".conf"]));
    }
    // What was so once is so no more.
    documents.retain(|path| !path.ends_with("CHANGELOG.md"));
    let (mut seen, mut broken) = (0, Vec::new());
    for path in documents {
        let (number, problems) = problems(&std::fs::read_to_string(&path).unwrap());
        seen += number;
        let name = path.strip_prefix(&root).unwrap().display().to_string();
        broken.extend(problems.iter().map(|problem| format!("{name}: {problem}")));
    }
    assert!(seen > 100, "the documents speak of commands: {seen}");
    assert!(broken.is_empty(), "commands that do not exist:\n{}", broken.join("\n"));
}

#[test]
fn what_is_no_command_is_found() {
    for bad in [
        "`portcullis policy publish`",
        "`portcullis policy publish default FILE`",
        "```sh\nportcullis policy put FILE --nats URL\n```",
        "```\nportcullis admin key extra\n```",
        "# `portcullis admin\n# stop|begin`",
        "`portcullis admin init --journal-size N`",
        "`portcullis admin init --journals 1000`",
    ] {
        assert_ne!(problems(bad).1, Vec::<String>::new(), "{bad}");
    }
    for good in [
        "`portcullis policy put FILE --bot B --nats URL`",
        "```sh\nportcullis policy put FILE --bot <bot> \\\n  --nats nats://localhost:4222   # puts it\n```",
        "`portcullis admin held|release|edit|reject`",
        "`portcullis check [TEXT\\|-]` and `portcullis`",
        "`portcullis audit report --from … --until …`",
        "`portcullis audit … --postgres URL`",
        "```\nportcullis admin model list\nexport A=b\n```",
        "`portcullis admin nats-config --out users.conf{{ range .Values.bots }} --bot {{ . }}{{ end }}`",
        "`portcullis audit prove ID > proof.json`",
    ] {
        let (seen, problems) = problems(good);
        assert!(seen > 0 && problems.is_empty(), "{good}: {problems:?}");
    }
}
