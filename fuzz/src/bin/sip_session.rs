//! The fuzz target `sip_session`; without `--cfg fuzzing` it replays the files that it is given.
#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::sip_session(data));

#[cfg(not(fuzzing))]
fn main() {
    fuzz::replay(fuzz::sip_session);
}
