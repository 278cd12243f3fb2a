//! The program; see `forebay_testkit::control` for its arguments and lines.

#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    match forebay_testkit::control::run(std::env::args().skip(1)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}
