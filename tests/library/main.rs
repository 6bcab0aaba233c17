//! Tests of the library through its public interface alone.

mod agreement;
mod damage;
mod decide;
mod fallback;
mod fixtures;
mod mutate;
mod support;
mod threads;
