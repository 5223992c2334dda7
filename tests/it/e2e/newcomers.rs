//! The examples, run as their readers would run them: with the real clients of other languages, against a real gateway.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use portcullis_core::{Decision, Status};
use portcullis_testkit::{Process, eventually};
use serde_json::json;

use crate::support::{City, CityOptions, PASSWORD, PATIENCE, PATIENT, run};
use crate::workspace::{read, root};

/// A folder that tests/tools/setup.sh made.
fn libraries(variable: &str) -> PathBuf {
    let path = std::env::var_os(variable).unwrap_or_else(|| {
        panic!("{variable} is not set: run `make test`, or see tests/tools/setup.sh")
    });
    PathBuf::from(path)
}

fn python(script: &str, city: &City) -> Command {
    let mut command = Command::new("python3");
    command
        .arg(root().join("examples/python").join(script))
        .env("PYTHONPATH", libraries("PORTCULLIS_PYTHON_LIBRARIES"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("NATS_URL", city.nats.url())
        .env("NATS_PASSWORD", PASSWORD);
    command
}

async fn output(mut command: Command) -> String {
    let ran = tokio::task::spawn_blocking(move || command.stdin(Stdio::null()).output());
    let output = ran.await.unwrap().expect("the program starts");
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{errors}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_bot_in_python_gets_its_verdict() {
    run(async {
        let city = City::start(CityOptions::all()).await;
        let said = output(python("bot.py", &city)).await;
        assert!(said.starts_with("block -> "), "{said}");
        let lines =
            read("examples/python/bot.py").lines().filter(|line| line.starts_with("    ")).count();
        assert!(lines <= 10, "ten lines are promised, and it has {lines}");
    });
}

#[test]
fn a_bot_in_typescript_gets_its_verdict() {
    run(async {
        let modules = libraries("PORTCULLIS_NODE_LIBRARIES");
        let folder = tempfile::tempdir().unwrap();
        for file in ["bot.ts", "package.json"] {
            std::fs::copy(root().join("examples/typescript").join(file), folder.path().join(file))
                .unwrap();
        }
        std::os::unix::fs::symlink(&modules, folder.path().join("node_modules")).unwrap();
        let mut compile = Command::new("node");
        compile
            .arg(modules.join("typescript/bin/tsc"))
            .args(
                "--target es2022 --module nodenext --strict --skipLibCheck --outDir dist bot.ts"
                    .split(' '),
            )
            .current_dir(folder.path());
        output(compile).await;
        let city = City::start(CityOptions::all()).await;
        let mut bot = Command::new("node");
        bot.arg("dist/bot.js")
            .current_dir(folder.path())
            .env("NATS_URL", city.nats.url())
            .env("NATS_PASSWORD", PASSWORD);
        let said = output(bot).await;
        assert!(said.starts_with("block -> "), "{said}");
    });
}

#[test]
fn a_stage_in_python_is_asked_where_a_policy_names_it() {
    run(async {
        let city = City::start(CityOptions::all()).await;
        // The example's policy, with time for a busy machine.
        let example =
            read("examples/python/policy.toml").replace("timeout_ms = 100", "timeout_ms = 20000");
        city.put_policy("shop", &format!("{PATIENT}{example}")).await;
        let message = json!({"bot": "shop", "text": "I want some Unobtainium."});
        let word_list = |receipt: &[portcullis_core::Check]| {
            receipt
                .iter()
                .find(|check| check.stage.as_str() == "word-list")
                .map(|check| check.status)
        };
        // Nobody serves it yet: a gap.
        eventually(PATIENCE, async || {
            word_list(&city.http().check(message.clone()).await.receipt) == Some(Status::Gap)
        })
        .await;
        let folder = tempfile::tempdir().unwrap();
        let _stage = Process::start(&mut python("stage.py", &city), folder.path());
        eventually(PATIENCE, async || {
            let verdict = city.http().check(message.clone()).await;
            word_list(&verdict.receipt) == Some(Status::Ran)
                && verdict.decision == Decision::Block
                && verdict.reasons.iter().any(|reason| reason == "words.unobtainium")
        })
        .await;
        let harmless = city.http().check(json!({"bot": "shop", "text": "I want some tea."})).await;
        assert_eq!(word_list(&harmless.receipt), Some(Status::Ran));
        assert_ne!(harmless.decision, Decision::Block);
        let lines =
            read("examples/python/stage.py").lines().filter(|line| !line.trim().is_empty()).count();
        assert!(lines <= 20, "twenty lines are promised, and it has {lines}");
    });
}
