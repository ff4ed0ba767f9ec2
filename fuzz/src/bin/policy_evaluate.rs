//! The fuzz target `policy_evaluate`; without `--cfg fuzzing` it replays the files that it is given.
#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::policy_evaluate(data));

#[cfg(not(fuzzing))]
fn main() {
    fuzz::replay(fuzz::policy_evaluate);
}
