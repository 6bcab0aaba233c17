//! Tests against the real Python package: it writes the logs, `tc` reads them, and both must say the same.
//!
//! They need an interpreter with temporal-code 0.1.0: `TC_PYTHON`, else `.venv/bin/python`, which `scripts/setup` makes.
//! Without one they fail.

mod agreement;
mod clean;
mod live;
mod support;
