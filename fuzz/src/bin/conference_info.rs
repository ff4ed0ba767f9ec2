//! The fuzz target `conference_info`; without `--cfg fuzzing` it replays the files that it is given.
#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::conference_info(data));

#[cfg(not(fuzzing))]
fn main() {
    fuzz::replay(fuzz::conference_info);
}
