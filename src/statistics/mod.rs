//! What can be said of numbers, whatever they count: a rate and how sure it is, quantiles of latencies, two variants compared
//! at every look.

pub mod interval;
pub mod sequential;
pub mod sketch;
