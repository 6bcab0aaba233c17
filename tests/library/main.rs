//! Tests of the library through its public interface alone.

mod agreement;
mod damage;
mod decide;
mod fallback;
mod fixtures;
mod mutate;
mod shapes;
mod support;
mod threads;
