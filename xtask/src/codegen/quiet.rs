//! Panics of progenitor as errors.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

use anyhow::{Context as _, Result, bail};

thread_local! {
    /// Whether a panic of this thread is reported as an error, not by the panic hook.
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Turns a panic into an error. progenitor panics on some documents that it cannot handle.
pub fn quietly<T, E>(run: impl FnOnce() -> Result<T, E>) -> Result<T>
where
    E: std::error::Error + Send + Sync + 'static,
{
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !QUIET.get() {
                usual(info);
            }
        }));
    });
    QUIET.set(true);
    let outcome = catch_unwind(AssertUnwindSafe(run));
    QUIET.set(false);
    match outcome {
        Ok(result) => result.context("progenitor cannot generate from the document"),
        Err(panic) => {
            let message = panic
                .downcast_ref::<String>()
                .map(String::as_str)
                .or_else(|| panic.downcast_ref::<&str>().copied())
                .unwrap_or("no message");
            bail!("progenitor cannot generate from the document: {message}")
        }
    }
}
