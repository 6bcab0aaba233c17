//! Tests against the real Python package: what it writes `tc` reads, what we write it reads, and both must say and do the
//! same.
//!
//! They need an interpreter with temporal-code 0.1.0: `TC_PYTHON`, else `.venv/bin/python`, which `scripts/setup` makes.
//! Without one they fail.

mod agreement;
mod clean;
mod draws;
mod fold;
mod foreign;
mod live;
mod obey;
mod support;
mod together;
mod units;
