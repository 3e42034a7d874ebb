//! Runs the journeys against the server at the address given: one line a step,
//! and "ok" when one is over.

mod applivery;
mod fusion;
mod journey;
mod milvus;
mod saymon;
mod usher;

use std::process::ExitCode;

fn say(api: &str) -> impl Fn(String) + '_ {
    move |did| println!("      {api}: {did}")
}

/// Says how a journey ended, and whether it ended well.
fn ended(api: &str, result: journey::Result) -> bool {
    match &result {
        Ok(()) => println!("ok    Rust, {api}"),
        Err(error) => println!("FAIL  Rust, {api}: {error}"),
    }
    result.is_ok()
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let base = std::env::args().nth(1).expect("an address");
    let mut well = ended("fusion", fusion::journey(&base, say("fusion")).await);
    well &= ended("applivery", applivery::journey(&base, say("applivery")).await);
    well &= ended("saymon", saymon::journey(&base, say("saymon")).await);
    well &= ended("milvus", milvus::journey(&base, say("milvus")).await);
    well &= ended("usher", usher::journey(&base, say("usher")).await);
    if well {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
