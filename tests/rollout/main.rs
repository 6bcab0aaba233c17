//! Evolving functions and their log, through the library's public face.

mod calls;
mod child;
mod crash;
mod full;
mod obey;
mod odd;
mod ramp;
mod strategies;
mod support;
mod tasks;
mod tracker;
