//! The fuzzer: streams that a hostile server might send, made by seed, read by the codec, with what must hold checked each time.
//!
//! ```text
//! npm run fuzz                                  each target for 15 s
//! npm run fuzz -- --seconds 600                 each for ten minutes
//! npm run fuzz -- --target qpack --from 1000    one, from another seed on
//! npm run fuzz -- --target qpack --seed 1234    one input again, and what it is
//! ```
//!
//! An input is a function of its seed: structures that are mostly valid, then cuts, flips, repeats and numbers at the edges. So no
//! corpus is kept, and a failure repeats anywhere. Compiled with overflow checks (`profile.fuzz`).
#![allow(clippy::unwrap_used, missing_docs, unreachable_pub)]

mod huffman;
mod memory;
mod qpack;
mod random;
mod response;
mod streams;
mod wire;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use random::Random;

/// Seconds for each target without an argument.
const DEFAULT_SECONDS: u64 = 15;

/// Resident memory may grow by so much while a target runs, in bytes: what allocators keep. A guess.
const MAX_GROWTH: u64 = 32 << 20;

/// Inputs between two looks at the clock.
const BATCH: u64 = 256;

/// What one kind of input must not do.
struct Target {
    name: &'static str,
    /// Makes an input from the seed, reads it and says what is wrong; `loud`: shows it.
    run: fn(random: &mut Random, loud: bool) -> Result<(), String>,
}

const TARGETS: [Target; 4] = [
    Target { name: "streams", run: streams::run },
    Target { name: "response", run: response::run },
    Target { name: "qpack", run: qpack::run },
    Target { name: "huffman", run: huffman::run },
];

fn argument(name: &str) -> Option<String> {
    std::env::args().skip_while(|argument| argument != name).nth(1)
}

fn number(name: &str) -> Option<u64> {
    argument(name).map(|text| text.parse().unwrap_or_else(|_| panic!("{name} takes a number, not {text}")))
}

fn main() -> ExitCode {
    let only = argument("--target");
    let targets: Vec<&Target> = TARGETS.iter().filter(|t| only.as_ref().is_none_or(|only| only == t.name)).collect();
    if targets.is_empty() {
        eprintln!("targets: {}", TARGETS.map(|t| t.name).join(", "));
        return ExitCode::FAILURE;
    }
    let seconds = Duration::from_secs(number("--seconds").unwrap_or(DEFAULT_SECONDS));
    for target in targets {
        let result = match number("--seed") {
            Some(seed) => once(target, seed, true).map(|()| format!("seed {seed}: good")),
            None => run_for(target, seconds, number("--from").unwrap_or(0)),
        };
        match result {
            Ok(text) => println!("{}: {text}", target.name),
            Err(text) => {
                println!("{}: {text}", target.name);
                return ExitCode::FAILURE;
            }
        }
    }
    ExitCode::SUCCESS
}

#[expect(clippy::disallowed_methods, reason = "it runs for a given time; what it tests does not see a clock")]
fn now() -> Instant {
    Instant::now()
}

fn run_for(target: &Target, time: Duration, from: u64) -> Result<String, String> {
    let start = now();
    let mut seed = from;
    let mut before = None;
    while start.elapsed() < time {
        for _ in 0..BATCH {
            once(target, seed, false)?;
            seed += 1;
        }
        // Tables and the first inputs are not growth.
        before = before.or_else(memory::resident);
    }
    let grown = memory::resident().zip(before).map_or(0, |(after, before)| after.saturating_sub(before));
    if grown > MAX_GROWTH {
        return Err(format!("memory grew by {grown} bytes from seed {from} to {seed}"));
    }
    let count = seed - from;
    Ok(format!("{count} inputs in {} s, memory +{} KiB: good", start.elapsed().as_secs(), grown / 1_024))
}

fn once(target: &Target, seed: u64, loud: bool) -> Result<(), String> {
    let result = catch_unwind(AssertUnwindSafe(|| (target.run)(&mut Random::new(seed), loud)));
    result.unwrap_or_else(|_| Err(String::from("it panicked"))).map_err(|wrong| {
        let name = target.name;
        format!("seed {seed}: {wrong}\nrepeat it: npm run fuzz -- --target {name} --seed {seed}")
    })
}
