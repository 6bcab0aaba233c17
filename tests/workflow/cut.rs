//! Histories that end anywhere.
