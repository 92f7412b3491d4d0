#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::future::Future;
use std::time::Duration;

use rocket::tokio::runtime;
use rocket::tokio::task::yield_now;

use super::*;

const TINY: Cost = Cost { memory_kib: 64, iterations: 1, parallelism: 1 };
const FAR_TOO_LONG: Duration = Duration::from_mins(1);

fn hasher(cost: Cost, threads: usize, queue: usize, wait: Duration) -> Hasher {
    Hasher::new(cost, Limits { threads, queue, wait }).unwrap()
}

fn tiny() -> Hasher {
    hasher(TINY, 2, 64, FAR_TOO_LONG)
}

fn password(text: &str) -> Password {
    Password::new(text.to_owned())
}

fn run<F: Future>(future: F) -> F::Output {
    runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

#[test]
fn pw_1_a_new_hash_has_the_recommended_cost_and_its_password_is_right() {
    run(async {
        let hasher = Hasher::new(Cost::default(), Limits::default()).unwrap();
        let stored = hasher.hash(&password("ünïcode kestrel")).await.unwrap();
        assert!(stored.as_str().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        assert_eq!(stored.as_str().len(), 97);
        let verdict = hasher.verify(&password("ünïcode kestrel"), Some(&stored)).await;
        assert_eq!(verdict.unwrap(), Verification::Right);
        let verdict = hasher.verify(&password("ünïcode kestrel "), Some(&stored)).await;
        assert_eq!(verdict.unwrap(), Verification::Wrong);
    });
}

#[test]
fn pw_1_a_hash_of_a_weaker_cost_or_from_django_is_right_but_outdated() {
    run(async {
        let weak = tiny().hash(&password("kestrel")).await.unwrap();
        let strong = hasher(Cost { iterations: 2, ..TINY }, 1, 0, FAR_TOO_LONG);
        let verdict = strong.verify(&password("kestrel"), Some(&weak)).await.unwrap();
        assert_eq!(verdict, Verification::RightButOutdated);
        let from_django = PasswordHash::from(format!("argon2{}", weak.as_str()));
        let verdict = tiny().verify(&password("kestrel"), Some(&from_django)).await.unwrap();
        assert_eq!(verdict, Verification::RightButOutdated);
        let verdict = strong.verify(&password("otter"), Some(&weak)).await.unwrap();
        assert_eq!(verdict, Verification::Wrong);
    });
}

#[test]
fn pw_15_every_form_of_a_password_is_right_and_a_hash_of_another_than_the_normal_one_is_outdated() {
    run(async {
        let hasher = tiny();
        let (nfc, nfd) = ("p\u{e9}lican bleu", "pe\u{301}lican\u{a0}bleu");
        let stored = hasher.hash(&password(nfd)).await.unwrap();
        for typed in [nfc, nfd, "pe\u{301}lican bleu", "p\u{e9}lican\u{3000}bleu"] {
            let verdict = hasher.verify(&password(typed), Some(&stored)).await.unwrap();
            assert_eq!(verdict, Verification::Right, "{typed:?}");
        }
        let older = hasher.compute(move |shared, memory| shared.own.hash(nfd.as_bytes(), memory)).await;
        let older = PasswordHash::from(older.unwrap());
        let verdict = hasher.verify(&password(nfd), Some(&older)).await.unwrap();
        assert_eq!(verdict, Verification::RightButOutdated);
        assert_eq!(hasher.verify(&password(nfc), Some(&older)).await.unwrap(), Verification::Wrong);
    });
}

#[test]
fn pw_2_a_password_in_another_form_costs_one_more_hash_whether_or_not_there_is_one_to_compare() {
    run(async {
        let hasher = tiny();
        let stored = hasher.hash(&password("kestrel")).await.unwrap();
        for stored in [Some(stored), Some(PasswordHash::unusable()), None] {
            for (typed, cost) in [("\u{e9}tourneau", 1), ("e\u{301}tourneau", 2), ("a\u{a0}b", 2)] {
                let before = hasher.operations();
                let verdict = hasher.verify(&password(typed), stored.as_ref()).await.unwrap();
                assert_eq!((verdict, hasher.operations() - before), (Verification::Wrong, cost), "{typed}");
            }
        }
    });
}

#[test]
fn pw_2_every_way_to_fail_costs_one_hash_operation() {
    run(async {
        let hasher = tiny();
        let good = hasher.hash(&password("kestrel")).await.unwrap();
        assert_eq!(hasher.operations(), 1);
        let over_the_ceiling = "$argon2id$v=19$m=1048576,t=2,p=1$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNoaGFzaA";
        let long = "x".repeat(LONGEST_HASHED_BYTES + 1);
        let cases = [
            ("unknown user", "kestrel", None),
            ("wrong password", "otter", Some(good.as_str())),
            ("empty password", "", Some(good.as_str())),
            ("over-long password", &long, Some(good.as_str())),
            ("unusable hash", "kestrel", Some("!pc4pqdvsmsfj5vkgsqagck739sngfhw8v8jtq2es")),
            ("empty hash", "", Some("")),
            ("unknown kind", "kestrel", Some("md5$salt$5f4dcc3b5aa765d61d8327deb882cf99")),
            ("over the ceiling", "kestrel", Some(over_the_ceiling)),
            (
                "iterations over the ceiling",
                "kestrel",
                Some("pbkdf2_sha1$4000000000$s$uuEWDUzUqXyJ6r6pwHmeyt7PVUs="),
            ),
        ];
        for (case, typed, stored) in cases {
            let before = hasher.operations();
            let stored = stored.map(|text| PasswordHash::from(text.to_owned()));
            let verdict = hasher.verify(&password(typed), stored.as_ref()).await.unwrap();
            assert_eq!(verdict, Verification::Wrong, "{case}");
            assert_eq!(hasher.operations(), before + 1, "{case}");
        }
    });
}

#[test]
fn pw_12_a_password_over_1024_bytes_is_never_hashed() {
    run(async {
        let hasher = tiny();
        let longest = "x".repeat(LONGEST_HASHED_BYTES);
        let stored = hasher.hash(&password(&longest)).await.unwrap();
        let verdict = hasher.verify(&password(&longest), Some(&stored)).await.unwrap();
        assert_eq!(verdict, Verification::Right);
        let before = hasher.operations();
        let result = hasher.hash(&password(&format!("{longest}x"))).await;
        assert!(matches!(result, Err(HashError::Failed(Failure::TooLong))));
        assert_eq!(hasher.operations(), before);
    });
}

#[test]
fn pw_3_when_every_thread_is_taken_and_the_queue_is_full_the_answer_is_busy_at_once() {
    run(async {
        let hasher = hasher(TINY, 1, 1, FAR_TOO_LONG);
        let turn = hasher.turn().await.unwrap();
        let waiting = rocket::tokio::spawn({
            let hasher = hasher.clone();
            async move { hasher.hash(&password("kestrel")).await }
        });
        while hasher.waiting() == 0 {
            yield_now().await;
        }
        let refused = hasher.verify(&password("kestrel"), None).await;
        assert!(matches!(refused, Err(HashError::Busy)));
        assert_eq!(hasher.operations(), 0);
        drop(turn);
        assert!(waiting.await.unwrap().is_ok());
        assert!(hasher.hash(&password("kestrel")).await.is_ok());
    });
}

#[test]
fn pw_3_a_caller_that_waits_too_long_is_told_busy_and_leaves_the_queue() {
    run(async {
        let hasher = hasher(TINY, 1, 1, Duration::from_millis(10));
        let turn = hasher.turn().await.unwrap();
        for _ in 0..3 {
            assert!(matches!(hasher.hash(&password("kestrel")).await, Err(HashError::Busy)));
            assert_eq!(hasher.waiting(), 0);
        }
        drop(turn);
        assert!(hasher.hash(&password("kestrel")).await.is_ok());
    });
}

#[test]
fn pw_3_a_caller_that_goes_away_while_it_waits_leaves_the_queue() {
    run(async {
        let hasher = hasher(TINY, 1, 1, FAR_TOO_LONG);
        let _turn = hasher.turn().await.unwrap();
        let gone = timeout(Duration::from_millis(10), hasher.hash(&password("kestrel"))).await;
        assert!(gone.is_err());
        assert_eq!(hasher.waiting(), 0);
    });
}

#[test]
fn pw_3_a_turn_lasts_until_the_work_is_done_even_if_the_caller_goes_away() {
    run(async {
        let hasher = hasher(TINY, 1, 0, FAR_TOO_LONG);
        let (finish, finished) = std::sync::mpsc::channel::<()>();
        let caller = hasher.compute(move |_, _| {
            let _ = finished.recv();
            Ok(())
        });
        assert!(timeout(Duration::from_millis(10), caller).await.is_err());
        assert!(matches!(hasher.hash(&password("kestrel")).await, Err(HashError::Busy)));
        finish.send(()).unwrap();
        while hasher.hash(&password("kestrel")).await.is_err() {
            rocket::tokio::time::sleep(Duration::from_millis(1)).await;
        }
    });
}

#[test]
fn pw_3_many_callers_at_once_use_no_more_memory_than_there_are_threads() {
    run(async {
        let hasher = hasher(TINY, 2, 100, FAR_TOO_LONG);
        let callers: Vec<_> = (0..100)
            .map(|_| {
                let hasher = hasher.clone();
                rocket::tokio::spawn(async move { hasher.hash(&password("kestrel")).await })
            })
            .collect();
        for caller in callers {
            assert!(caller.await.unwrap().is_ok());
        }
        assert_eq!(hasher.operations(), 100);
        while hasher.shared.turns.free() < 2 {
            yield_now().await;
        }
        assert!((1..=2).contains(&hasher.shared.idle().len()));
    });
}

#[cfg(target_os = "linux")]
#[test]
fn pw_3_threads_that_hash_leave_the_cores_to_those_that_answer() {
    let priority = || rustix::process::getpriority_process(None).unwrap();
    let own = priority();
    let hashing = run(tiny().compute(move |_, _| Ok(priority()))).unwrap();
    assert_eq!(hashing, (own + super::super::workers::NICENESS).min(19));
    assert_eq!(priority(), own);
}

#[test]
fn a_task_that_panics_gives_its_turn_back_and_fails_without_a_message() {
    run(async {
        let hasher = hasher(TINY, 1, 0, FAR_TOO_LONG);
        let failed = hasher.compute::<(), _>(|_, _| panic!("kestrel")).await;
        let error = failed.unwrap_err();
        assert!(matches!(error, HashError::Failed(Failure::Panicked)));
        assert!(!format!("{error} {error:?}").contains("kestrel"));
        assert!(hasher.hash(&password("kestrel")).await.is_ok());
    });
}

#[test]
fn a_cost_or_a_number_of_threads_that_cannot_work_is_refused() {
    let limits = Limits { threads: 1, queue: 1, wait: FAR_TOO_LONG };
    let refused = |cost: Cost| Hasher::new(cost, limits).unwrap_err();
    assert!(matches!(refused(Cost { memory_kib: 7, ..TINY }), SetupError::Cost(_)));
    assert!(matches!(refused(Cost { iterations: 0, ..TINY }), SetupError::Cost(_)));
    assert!(matches!(refused(Cost { parallelism: 0, ..TINY }), SetupError::Cost(_)));
    assert!(matches!(refused(Cost { memory_kib: 262_145, ..TINY }), SetupError::AboveCeiling));
    assert!(matches!(refused(Cost { iterations: 11, ..TINY }), SetupError::AboveCeiling));
    assert!(matches!(refused(Cost { parallelism: 9, ..TINY }), SetupError::AboveCeiling));
    for threads in [0, 257, usize::MAX] {
        assert!(matches!(Hasher::new(TINY, Limits { threads, ..limits }), Err(SetupError::Threads)));
    }
}

#[test]
fn pw_3_memory_is_given_back_when_nothing_was_hashed_for_a_while() {
    run(async {
        let limits = Limits { threads: 2, queue: 64, wait: FAR_TOO_LONG };
        let kept_for_good = Hasher::with_idle(TINY, limits, FAR_TOO_LONG).unwrap();
        let given_back = Hasher::with_idle(TINY, limits, Duration::from_millis(1)).unwrap();
        for hasher in [&kept_for_good, &given_back] {
            drop(hasher.hash(&password("kestrel")).await.unwrap());
        }
        while !given_back.shared.idle().is_empty() {
            std::thread::yield_now();
        }
        assert_eq!(kept_for_good.shared.idle().len(), 1);
        // What comes after that finds memory as before.
        let stored = given_back.hash(&password("otter")).await.unwrap();
        assert_eq!(given_back.verify(&password("otter"), Some(&stored)).await.unwrap(), Verification::Right);
    });
}
