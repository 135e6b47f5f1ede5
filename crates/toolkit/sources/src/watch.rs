//! Progress of a tool that does not tell its own: the growth of the files that it writes.

use std::{sync::mpsc, thread, time::Duration};

use common::progress::Task;

const PERIOD: Duration = Duration::from_millis(200);

/// Does `work` on another thread and reports to `task` as `size` grows.
pub(crate) fn watch<T: Send>(task: &dyn Task, size: impl Fn() -> u64, work: impl FnOnce() -> T + Send) -> T {
    let mut seen = size();
    thread::scope(|scope| {
        let (done, finished) = mpsc::channel::<()>();
        let worker = scope.spawn(move || {
            let result = work();
            drop(done);
            result
        });
        while finished.recv_timeout(PERIOD) == Err(mpsc::RecvTimeoutError::Timeout) {
            let now = size();
            task.advance(now.saturating_sub(seen));
            seen = now.max(seen);
        }
        worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}
