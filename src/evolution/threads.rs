//! Work that several threads share.

/// Does some work on so many threads at once, this one among them, or on as many as can be had. Each result.
pub(super) fn on_threads<T: Send>(threads: usize, work: impl Fn() -> T + Sync) -> Vec<T> {
    std::thread::scope(|scope| {
        let spawn = |_| std::thread::Builder::new().spawn_scoped(scope, &work).ok();
        let others = (1..threads).map_while(spawn).collect::<Vec<_>>();
        let mut results = vec![work()];
        let joined = others.into_iter().map(|other| other.join());
        results.extend(joined.map(|result| result.unwrap_or_else(|panic| std::panic::resume_unwind(panic))));
        results
    })
}
