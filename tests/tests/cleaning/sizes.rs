//! Many processes.

use std::time::Duration;

use tests::Bench;
use tests::namespace::{alone, others};

use crate::support::{SCRIPT, assert_gone, here, script, start, xtask};

/// Forks processes that do nothing until their parent ends, and waits.
const CROWD: &str = "import ctypes, os, signal, sys, time\n\
    for _ in range(int(sys.argv[1])):\n\
    \x20   if os.fork() == 0:\n\
    \x20       signal.alarm(80)\n\
    \x20       ctypes.CDLL(None).prctl(1, signal.SIGKILL)\n\
    \x20       signal.pause()\n\
    print('up', flush=True)\n\
    time.sleep(80)\n";

#[test]
fn preflight_among_five_thousand_others() {
    alone(|| {
        let bench = Bench::new();
        let outside = crate::support::outside();
        std::fs::write(outside.path().join("crowd.py"), CROWD).unwrap();
        let mut command = bench.command("/usr/bin/python3");
        command.arg(outside.path().join("crowd.py")).arg("5000");
        let mut crowd = start(&bench, command);
        assert!(others().len() > 5000);
        let guilty = [1, 2, 3].map(|n| script(&bench, &format!("test_{n}.py"), SCRIPT));
        let ready = xtask(&bench, 0, &["preflight", "--base-port", "auto"]);
        assert_eq!(here(&ready, "python"), 0);
        for guilty in &guilty {
            assert_gone(&[("a script of the project", guilty)]);
        }
        assert!(others().len() > 5000);
        crowd.child.kill().unwrap();
        crowd.child.wait().unwrap();
        drop(guilty);
        tests::wait_for(Duration::from_secs(30), "the crowd to be gone", || {
            others().is_empty()
        });
    });
}
