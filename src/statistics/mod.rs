//! What can be said of numbers, whatever they count: a rate and how sure it is, quantiles of latencies, two variants compared
//! at every look.

pub(crate) mod interval;
pub(crate) mod sequential;
pub(crate) mod sketch;
