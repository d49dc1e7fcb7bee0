//! What all benchmarks share: the description of the machine, and ratios that are printed only if
//! nothing disturbed the run.

#![allow(dead_code, unused_imports, reason = "no benchmark needs all of it")]

mod cpu;
mod disturbance;
mod machine;
mod ratio;
pub(crate) mod tls;

pub(crate) use cpu::{children_cpu, own_cpu, peak_memory};
pub(crate) use disturbance::Watch;
pub(crate) use machine::print_machine;
pub(crate) use ratio::{Ratio, median};
