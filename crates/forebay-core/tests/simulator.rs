//! A fixed number of the simulator's seeds with every test run. More: `cargo run -p forebay-core --release --example sim -- --seeds N`.
#![allow(clippy::unwrap_used, dead_code, missing_docs, unreachable_pub)]

#[path = "../examples/sim/model.rs"]
mod model;
#[path = "../examples/sim/world.rs"]
mod world;

/// A few seconds in a debug build, which also checks what only our own mistake can break.
const SEEDS: u64 = 800;

#[test]
fn the_core_and_the_reference_model_agree_on_everything() {
    for seed in 0..SEEDS {
        if let Err(wrong) = world::run(seed) {
            panic!(
                "seed {seed}: {wrong}\nreplay it: cargo run -p forebay-core --release --example sim -- --seed {seed}"
            );
        }
    }
}
