//! The server process, clients and their sockets together; the demo's flows that need no more than a moment.

mod common;

use common::Folder;
use examples::demo::{self, Flow, Program};

#[test]
fn users_register_write_meet_and_are_blocked() {
    let folder = Folder::new("end-to-end");
    let program = Program::new(env!("CARGO_BIN_EXE_im-server"), ["--config"]);
    let flows = [
        Flow::Registration,
        Flow::Message,
        Flow::Deferred,
        Flow::Conference,
        Flow::List,
        Flow::Nesting,
        Flow::AccessRules,
        Flow::Session,
        Flow::Room,
    ];
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let outcomes = runtime
        .block_on(demo::run(program, folder.path(), &flows, |_| {}))
        .unwrap();
    for outcome in outcomes {
        assert!(
            outcome.result.is_ok(),
            "{}: {:?}",
            outcome.flow.title(),
            outcome.result
        );
        let page = std::fs::read_to_string(&outcome.ladder).unwrap();
        assert!(page.contains("<svg") && page.contains("data-row"));
        assert!(!page.contains("http-equiv=\"refresh\"") && !page.contains("src="));
    }
}
