//! The simulator: random worlds around the core, compared with a reference model.
//!
//! `cargo run -p forebay-core --release --example sim -- --seeds 100000` runs the seeds from 0; `--seed S` runs one and prints every input.
#![allow(clippy::unwrap_used, missing_docs, unreachable_pub)]

mod model;
mod world;

use std::process::ExitCode;

/// Seeds without an argument: a few seconds in a release build.
const DEFAULT_SEEDS: u64 = 2_000;

fn argument(name: &str) -> Option<u64> {
    let mut arguments = std::env::args().skip_while(|argument| argument != name).skip(1);
    arguments.next().and_then(|value| value.parse().ok())
}

fn main() -> ExitCode {
    if let Some(seed) = argument("--seed") {
        return match world::run_loud(seed) {
            Ok(()) => {
                println!("seed {seed}: good");
                ExitCode::SUCCESS
            }
            Err(wrong) => {
                println!("seed {seed}: {wrong}");
                ExitCode::FAILURE
            }
        };
    }
    let from = argument("--from").unwrap_or(0);
    let seeds = argument("--seeds").unwrap_or(DEFAULT_SEEDS);
    for seed in from..from + seeds {
        let result = std::panic::catch_unwind(|| world::run(seed)).unwrap_or_else(|_| Err(String::from("it panicked")));
        if let Err(wrong) = result {
            println!("seed {seed}: {wrong}");
            println!("replay it: cargo run -p forebay-core --release --example sim -- --seed {seed}");
            return ExitCode::FAILURE;
        }
    }
    println!("{seeds} seeds: good");
    ExitCode::SUCCESS
}
