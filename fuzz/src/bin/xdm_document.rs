//! The fuzz target `xdm_document`; without `--cfg fuzzing` it replays the files that it is given.
#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::xdm_document(data));

#[cfg(not(fuzzing))]
fn main() {
    fuzz::replay(fuzz::xdm_document);
}
