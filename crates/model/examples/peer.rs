//! The default runtime as a peer of others in `tests/peers`: windows of token ids in, time out, a line each.
//!
//! `peer FOLDER THREADS`: the folder has `encoder.onnx` and `encoder.json`, as the trainer writes them. A line of
//! standard input is `{"windows": [[1, 2, …], …]}`; the answer is `{"wall_ms", "logits"}`, logits of the first
//! window. The first line of output is said when the encoder is ready. The windows go through the same queue and
//! the same threads as in the service.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a program for measuring"
)]

use std::io::{BufRead, Write};
use std::path::Path;
use std::time::Instant;

use futures::executor::block_on;
use futures::future::join_all;
use portcullis_model::{
    Bytes, CascadeBundle, EncoderPool, MANIFEST, PoolOptions, Rten, hex_sha256,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

#[derive(Deserialize)]
struct Asked {
    windows: Vec<Vec<u32>>,
}

#[derive(Serialize)]
struct Answered {
    wall_ms: f64,
    logits: Vec<f32>,
}

/// A bundle around an encoder, whose linear models say nothing.
fn bundle(folder: &Path) -> CascadeBundle {
    let read = |name: &str| std::fs::read(folder.join(name)).expect(name);
    let about: Value = serde_json::from_slice(&read("encoder.json")).expect("encoder.json");
    let onnx = read("encoder.onnx");
    let mut files = vec![
        ("encoder.onnx".to_owned(), onnx),
        ("vocab.txt".to_owned(), read("vocab.txt")),
        ("linear.bin".to_owned(), vec![0; 256]),
    ];
    let parts: serde_json::Map<String, Value> = files
        .iter()
        .map(|(name, bytes)| {
            (name.clone(), json!({"sha256": hex_sha256(bytes), "bytes": bytes.len()}))
        })
        .collect();
    let channel = json!({
        "linear": {
            "weights": "linear.bin", "step": 1.0, "bias": 0.0,
            "windows": {"tokens": [12], "penalty_per_doubling": 0.0},
            "calibration": {"slope": 1.0, "offset": 0.0},
        },
        "exits": {"benign_below": 0.0, "attack_above": 2.0},
        "operating_points": {"strict": 0.5, "balanced": 0.7, "lenient": 0.9},
    });
    let manifest = json!({
        "format": 2, "model": "peer", "base_rate": 0.5, "languages": ["eng"], "parts": parts,
        "features": {"version": 1, "bits": 8}, "user": channel, "context": channel,
        "encoder": {
            "weights": "encoder.onnx", "vocabulary": "vocab.txt", "outputs": about["outputs"],
            "max_tokens": about["max_tokens"], "stride": about["stride"],
            "lowercase": about["lowercase"],
        },
    });
    files.push((MANIFEST.to_owned(), serde_json::to_vec(&manifest).expect("JSON")));
    let files = files.into_iter().map(|(name, bytes)| (name, Bytes::Owned(bytes)));
    CascadeBundle::from_files(files).expect("a bundle")
}

fn main() {
    let started = Instant::now();
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().expect("FOLDER");
    let threads = arguments.next().map_or(1, |threads| threads.parse().expect("THREADS"));
    let bundle = bundle(Path::new(&folder));
    let encoder = bundle.encoder(&Rten).expect("an encoder");
    let options =
        PoolOptions { threads, wait: std::time::Duration::ZERO, ..PoolOptions::default() };
    let pool = EncoderPool::start(&encoder, options).expect("threads");
    let mut out = std::io::stdout().lock();
    writeln!(out, "{{\"ready_ms\":{}}}", started.elapsed().as_secs_f64() * 1e3).expect("a reader");
    out.flush().expect("a reader");
    for line in std::io::stdin().lock().lines() {
        let Asked { windows } = serde_json::from_str(&line.expect("a line")).expect("windows");
        let begun = Instant::now();
        let answers: Vec<_> = windows.into_iter().map(|ids| pool.ask(ids, None)).collect();
        let rows: Vec<_> = block_on(join_all(answers));
        let wall_ms = begun.elapsed().as_secs_f64() * 1e3;
        let rows: Vec<_> =
            rows.into_iter().map(|row| row.expect("an answer").expect("logits")).collect();
        let logits = rows.into_iter().next().unwrap_or_default();
        writeln!(out, "{}", serde_json::to_string(&Answered { wall_ms, logits }).expect("JSON"))
            .expect("a reader");
        out.flush().expect("a reader");
    }
}
