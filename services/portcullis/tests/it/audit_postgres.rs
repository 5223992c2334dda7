//! `portcullis audit` on a record in PostgreSQL.

use portcullis_ledger::{Record, Signing, Store};
use portcullis_ledger_postgres::{Address, Standby, WriterOptions};
use portcullis_merkle::Signer;
use portcullis_testkit::{PostgresServer, entry, verdict_entry};
use sqlx::{Connection, PgConnection};

use crate::run::run;

async fn tamper(server: &PostgresServer, sql: &'static str) {
    let mut connection = PgConnection::connect(&server.url()).await.unwrap();
    let before = "SET search_path = portcullis; SET session_replication_role = replica";
    sqlx::raw_sql(before).execute(&mut connection).await.unwrap();
    sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
}

#[tokio::test]
async fn a_record_in_postgres_is_searched_proven_and_verified() {
    let server = PostgresServer::start().await;
    let url = server.url();
    let signer = Signer::parse(&Signer::generate("test/audit").unwrap()).unwrap();
    let key = signer.public().to_owned();
    let options = WriterOptions { signing: Some(Signing::new(signer)), ..WriterOptions::default() };
    let address = Address::parse(&url).unwrap();
    let mut standby = Standby::prepare(address, options).await.unwrap();
    let ledger = standby.take().await.unwrap().unwrap();
    let entries =
        [entry("1"), verdict_entry("m1"), verdict_entry("m2"), entry("2"), verdict_entry("m3")];
    let records = entries.iter().map(|entry| Record::new(entry).unwrap()).collect();
    ledger.append_all(records).await.unwrap();
    ledger.close().await.unwrap();

    let search = |args: &[&str]| {
        let mut all = vec!["audit", "search", "--postgres", &url, "--json"];
        all.extend(args);
        let ran = run(&all);
        assert_eq!(ran.code, 0, "{}", ran.err);
        ran.lines().iter().map(|row| row["seq"].as_u64().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(search(&[]), [5, 4, 3, 2, 1]);
    assert_eq!(search(&["--oldest-first", "--kind", "verdict"]), [2, 3, 5]);
    assert_eq!(search(&["--id", "m2"]), [3]);
    let exported = run(&["audit", "export", "--postgres", &url]);
    assert_eq!(exported.out.lines().count(), 5, "{}", exported.err);

    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (kept, proof) = (path("checkpoints"), path("proof"));
    let ran = run(&["audit", "prove", "--postgres", &url, "m2"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    std::fs::write(&proof, &ran.out).unwrap();
    let printed: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    std::fs::write(&kept, printed["checkpoint"].as_str().unwrap()).unwrap();
    let checked = run(&["audit", "check-proof", &proof, "--key", &key]);
    assert_eq!(checked.code, 0, "{}", checked.err);
    assert_eq!(checked.lines()[0]["entry"]["verdict"]["id"], "m2");

    let verify = ["audit", "verify", "--postgres", &url, "--checkpoint", &kept, "--key", &key];
    let ran = run(&verify);
    assert_eq!(
        ran.out,
        "proven: entries 1 to 5 are those of the checkpoint; 5 entries, in PostgreSQL\n\
         all of them are signed\n"
    );
    tamper(&server, "UPDATE entries SET frame = set_byte(frame, 70, 9) WHERE seq = 3").await;
    let ran = run(&verify);
    assert_eq!((ran.code, &*ran.out), (1, "broken: table entries, entry 3: checksum mismatch\n"));
}

#[test]
fn a_database_that_is_not_there_is_said_without_its_password() {
    let url = "postgres://me:hunter2@127.0.0.1:1/x";
    for command in ["search", "verify"] {
        let ran = run(&["audit", command, "--postgres", url]);
        assert_eq!(ran.code, 2, "{}", ran.out);
        assert!(ran.err.contains("database gave no connection in time"), "{}", ran.err);
        assert!(!ran.err.contains("hunter2"));
    }
    let ran = run(&["audit", "search", "--postgres", "hunter2"]);
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("not an address of PostgreSQL") && !ran.err.contains("hunter2"));
}
