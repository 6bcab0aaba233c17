//! What other systems write, against the real packages.
//!
//! They need an interpreter with the packages of `scripts/requirements.txt`: `TC_PYTHON`, else `.venv/bin/python`, which
//! `scripts/setup` makes. Without one they fail.

mod durable;
mod pickles;
mod plain;
mod support;
