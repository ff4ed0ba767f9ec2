use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

const FLOW: Key = Key::Flow(FlowId(1), FlowTimer::Idle);

#[expect(clippy::disallowed_methods, reason = "an opaque epoch for virtual time")]
fn epoch() -> Instant {
    Instant::now()
}

fn server(id: u64) -> Key {
    Key::Server(ServerTransaction(id), ServerTimer::Linger)
}

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

#[test]
fn disarmed_timers_do_not_pile_up() {
    let (now, mut schedule) = (epoch(), Schedule::new(&Config::default()));
    schedule.arm(FLOW, now, millis(1));
    for step in 0..100_000 {
        let now = now + Duration::from_micros(step);
        // Into a queue, and into the heap.
        schedule.arm(server(step % 7), now, millis(32_000));
        schedule.arm(server(100 + step % 7), now, millis(33_333));
        let standing = schedule.queues.iter().map(VecDeque::len).sum::<usize>() + schedule.heap.len();
        assert_eq!(standing, schedule.armed + schedule.disarmed);
        assert!(standing <= 3 * schedule.len() + SLACK + 1, "{standing}");
    }
    assert_eq!(
        (schedule.len(), schedule.next()),
        (15, Some(now + millis(1))),
        "seven each, and the flow's"
    );
}

#[test]
fn a_timer_belongs_to_one_transaction_and_not_to_the_next_in_its_place() {
    let (now, mut schedule) = (epoch(), Schedule::new(&Config::default()));
    let (old, new) = (server(3), server(1 << 32 | 3));
    schedule.arm(FLOW, now, millis(1));
    schedule.arm(old, now, millis(32_000));
    schedule.disarm(old);
    schedule.arm(new, now, millis(32_000));
    assert!(schedule.is_armed(new) && !schedule.is_armed(old));
    let later = now + millis(32_000);
    assert_eq!(
        [(); 3].map(|()| schedule.pop_due(later)),
        [Some(FLOW), Some(new), None]
    );
}

#[test]
fn what_never_ends_is_not_armed_and_a_clock_that_goes_back_loses_nothing() {
    let (now, mut schedule) = (epoch() + millis(60_000), Schedule::new(&Config::default()));
    schedule.arm(FLOW, now, Duration::MAX);
    assert_eq!((schedule.len(), schedule.next()), (0, None));
    schedule.arm(server(1), now, millis(500));
    let before = now.checked_sub(millis(1000)).unwrap();
    schedule.arm(server(2), before, millis(500));
    assert_eq!(schedule.pop_due(before), None);
    assert_eq!(schedule.next(), Some(now), "not before the first timer was armed");
    assert_eq!(schedule.pop_due(now), Some(server(2)));
    assert_eq!(schedule.pop_due(now + millis(499)), None);
    assert_eq!(schedule.pop_due(now + millis(500)), Some(server(1)));
}

fn key(number: u64) -> Key {
    match number {
        0..4 => server(number),
        4..8 => Key::Client(ClientTransaction(number - 4), ClientTimer::Repeat),
        _ => Key::Flow(FlowId(number), FlowTimer::KeepAlive),
    }
}

proptest! {
    #[test]
    fn it_gives_what_a_list_in_order_gives(
        steps in proptest::collection::vec((0_u8..4, 0_u64..12, 0_usize..6, 0_u64..700), 0..300),
    ) {
        let mut schedule = Schedule::new(&Config::default());
        let mut model = BTreeMap::new();
        let mut now = epoch();
        for (what, number, wait, pass) in steps {
            let waits = [500, 500, 1000, 4000, 777, 33];
            match what {
                0 | 1 => {
                    let wait = millis(waits.get(wait).copied().unwrap_or(1));
                    schedule.arm(key(number), now, wait);
                    model.insert(key(number), now + wait);
                }
                2 => {
                    schedule.disarm(key(number));
                    model.remove(&key(number));
                }
                _ => {
                    now += millis(pass);
                    let mut last = None;
                    while let Some(due) = schedule.pop_due(now) {
                        let at = model.remove(&due);
                        prop_assert!(at.is_some_and(|at| at <= now) && last <= at, "in order");
                        last = at;
                    }
                }
            }
            prop_assert_eq!(schedule.next(), model.values().min().copied());
            prop_assert_eq!(schedule.len(), model.len());
            prop_assert!((0..12).all(|number| schedule.is_armed(key(number)) == model.contains_key(&key(number))));
        }
    }
}
