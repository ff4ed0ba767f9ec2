//! The fuzz target `msrp_relay`; without `--cfg fuzzing` it replays the files that it is given.
#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::msrp_relay(data));

#[cfg(not(fuzzing))]
fn main() {
    fuzz::replay(fuzz::msrp_relay);
}
