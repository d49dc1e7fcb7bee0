//! Decides how many connections a download uses, from the throughput that they have together.
//!
//! It starts with few, and adds more for as long as each step raises the throughput. If a step does
//! not, it gives back those that are not needed. From time to time it tries again whether fewer or
//! more are better, because networks change.

use std::time::Duration;

/// The number of connections to start with.
const FIRST: usize = 2;
/// The most connections by default.
const MAX_CONNECTIONS: u64 = 16;
/// There is at most one connection for each such amount of content by default.
const BYTES_PER_CONNECTION: u64 = 4 * 1024 * 1024;

/// One step multiplies the number of connections by at most this.
const MAX_STEP: usize = 8;
/// More connections than it takes to finish within this time, in seconds, are not worth opening.
const GOAL: f64 = 0.5;
/// A download that ends within this time, in seconds, does not try whether fewer are as fast.
const MIN_TRIAL: f64 = 2.0;
/// The part of the ideal increase in throughput that a step must reach.
const MIN_GAIN: f64 = 0.3;
/// The part of the throughput that fewer connections must keep.
const MIN_KEPT: f64 = 0.95;

/// The shortest time to measure a throughput for. It suffices to see that more connections are of use.
const WINDOW: Duration = Duration::from_millis(15);
/// The time after which connections that were not yet of use are not expected to be. A busy machine
/// delays some of them.
const LONG_WINDOW: Duration = Duration::from_millis(150);
/// The time after which a connection that has received nothing is no longer waited for.
const MAX_START: Duration = Duration::from_secs(1);
/// The time until the first trial with another number, which doubles with every trial in vain.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const MAX_PAUSE: Duration = Duration::from_secs(32);

/// Chooses the number of connections of one download.
#[derive(Debug)]
pub(super) struct ConnectionController {
    max: usize,
    target: usize,
    phase: Phase,
    /// The last number of connections that proved useful, and their throughput.
    settled: Option<Throughput>,
    window: Option<Window>,
    pause: Duration,
    /// Whether the next trial is with fewer connections.
    tries_fewer: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Phase {
    /// The caller chose the number.
    Fixed,
    /// Measures whether the connections that were added last are of use.
    Growing,
    /// Measures whether fewer connections are as fast.
    Shrinking,
    /// Keeps the number until this time.
    Holding { until: Duration },
}

#[derive(Clone, Copy, Debug)]
struct Throughput {
    connections: usize,
    /// Bytes per second.
    rate: f64,
}

impl Throughput {
    /// The rate of this many connections, if each were as fast as these are.
    #[allow(clippy::cast_precision_loss, reason = "connections are few")]
    fn scaled_to(self, connections: usize) -> f64 {
        self.rate * connections as f64 / self.connections as f64
    }
}

/// The start of a measurement.
#[derive(Clone, Copy, Debug)]
struct Window {
    start: Duration,
    received: u64,
    open: usize,
    receiving: usize,
}

/// The state of a download.
#[derive(Clone, Copy, Debug)]
pub(super) struct Observation {
    /// The time since the download began.
    pub(super) now: Duration,
    /// All bytes received so far.
    pub(super) received: u64,
    /// The bytes that are still missing.
    pub(super) missing: u64,
    /// Connections that were opened and have not ended.
    pub(super) open: usize,
    /// Those of them that have received something.
    pub(super) receiving: usize,
}

impl ConnectionController {
    /// Always this many connections.
    pub(super) fn fixed(connections: usize) -> Self {
        Self::new(connections, connections, Phase::Fixed)
    }

    /// As many connections as are of use for this many bytes.
    pub(super) fn adaptive(bytes: u64) -> Self {
        let max = (bytes / BYTES_PER_CONNECTION).clamp(1, MAX_CONNECTIONS);
        let max = usize::try_from(max).unwrap_or(1);
        Self::new(max, FIRST.min(max), Phase::Growing)
    }

    fn new(max: usize, target: usize, phase: Phase) -> Self {
        Self {
            max,
            target,
            phase,
            settled: None,
            window: None,
            pause: FIRST_PAUSE,
            tries_fewer: true,
        }
    }

    /// The most connections that the download may ever have.
    pub(super) fn max(&self) -> usize {
        self.max
    }

    /// The number of connections to have now.
    pub(super) fn target(&self) -> usize {
        self.target
    }

    /// Whether the next observation is needed soon.
    pub(super) fn is_measuring(&self) -> bool {
        self.max > 1 && matches!(self.phase, Phase::Growing | Phase::Shrinking)
    }

    /// Takes note of the state of the download, which may change the target.
    pub(super) fn observe(&mut self, observed: Observation) {
        if self.phase == Phase::Fixed || self.max == 1 || observed.open > self.target {
            self.window = None;
            return;
        }
        let Some((current, measured_for)) = self.measure(observed) else {
            return;
        };
        match self.phase {
            Phase::Growing => self.grow(current, measured_for, observed),
            Phase::Shrinking if measured_for >= LONG_WINDOW => self.shrink(current, observed),
            Phase::Holding { until } if observed.now >= until => self.try_other(current, observed),
            Phase::Fixed | Phase::Shrinking | Phase::Holding { .. } => {}
        }
    }

    /// The throughput since the number of connections changed, and for how long it was measured.
    ///
    /// None while some of them have not received anything yet.
    #[allow(clippy::cast_precision_loss, reason = "a rate needs no more digits")]
    fn measure(&mut self, observed: Observation) -> Option<(Throughput, Duration)> {
        let Observation {
            now,
            received,
            open,
            receiving,
            ..
        } = observed;
        let window = self
            .window
            .filter(|window| window.open == open && window.receiving == receiving);
        let Some(window) = window.filter(|_| receiving > 0) else {
            self.window = Some(Window {
                start: now,
                received,
                open,
                receiving,
            });
            return None;
        };
        let elapsed = now.saturating_sub(window.start);
        let is_complete = receiving == open || elapsed >= MAX_START;
        if elapsed < WINDOW || !is_complete {
            return None;
        }
        let bytes = received.saturating_sub(window.received);
        let current = Throughput {
            connections: receiving,
            rate: bytes as f64 / elapsed.as_secs_f64(),
        };
        Some((current, elapsed))
    }

    /// Keeps connections that were added if they are of use, and then adds more.
    fn grow(&mut self, current: Throughput, measured_for: Duration, observed: Observation) {
        if observed.open < self.target {
            // The server, or the limit of the client, allows no more at present.
            self.settled = Some(current);
            return self.hold(observed.open, observed.now);
        }
        let before = self
            .settled
            .filter(|before| before.connections < current.connections);
        if let Some(before) = before {
            let ideal = before.scaled_to(current.connections) - before.rate;
            let is_useful = current.rate >= before.rate + ideal * MIN_GAIN;
            if !is_useful && measured_for < LONG_WINDOW {
                return;
            }
            if !is_useful {
                let needed = needed(current.rate, before);
                let needed = needed.clamp(before.connections, current.connections);
                self.settled = Some(Throughput {
                    connections: needed,
                    rate: current.rate,
                });
                self.hold(needed, observed.now);
                return;
            }
            self.pause = FIRST_PAUSE;
        }
        self.settled = Some(current);
        let wanted = wanted(current, observed.missing);
        let most = self.max.min(current.connections.saturating_mul(MAX_STEP));
        let next = wanted.min(most);
        if next > current.connections {
            self.change_target(next, Phase::Growing);
        } else {
            self.hold(current.connections, observed.now);
        }
    }

    /// Keeps to fewer connections if they are as fast.
    fn shrink(&mut self, current: Throughput, observed: Observation) {
        let Some(before) = self.settled else {
            return self.hold(self.target, observed.now);
        };
        if current.rate >= before.rate * MIN_KEPT {
            self.settled = Some(current);
            self.pause = FIRST_PAUSE;
            self.tries_fewer = true;
            self.hold(current.connections, observed.now);
        } else {
            self.pause = (self.pause * 2).min(MAX_PAUSE);
            self.hold(before.connections, observed.now);
        }
    }

    fn hold(&mut self, connections: usize, now: Duration) {
        let until = now + self.pause;
        self.change_target(connections, Phase::Holding { until });
    }

    fn change_target(&mut self, connections: usize, phase: Phase) {
        self.target = connections.clamp(1, self.max);
        self.phase = phase;
        self.window = None;
    }

    /// Tries fewer and more connections in turns.
    fn try_other(&mut self, current: Throughput, observed: Observation) {
        self.settled = Some(current);
        let tries_fewer = self.tries_fewer;
        self.tries_fewer = !tries_fewer;
        let connections = current.connections;
        if tries_fewer && connections > FIRST && seconds_left(current, observed.missing) > MIN_TRIAL
        {
            self.change_target((connections / 2).max(FIRST), Phase::Shrinking);
        } else if wanted(current, observed.missing) > connections && connections < self.max {
            self.change_target(connections * 2, Phase::Growing);
            // If it is of no use, the next trial comes later.
            self.pause = (self.pause * 2).min(MAX_PAUSE);
        } else {
            self.hold(connections, observed.now);
        }
    }
}

/// The number of connections that finish in time, if each is as fast as now.
#[allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a number that is not negative and far too high is as good as the maximum"
)]
fn wanted(current: Throughput, missing: u64) -> usize {
    let seconds = seconds_left(current, missing);
    (current.connections as f64 * seconds / GOAL).ceil() as usize
}

#[allow(clippy::cast_precision_loss, reason = "a time needs no more digits")]
fn seconds_left(current: Throughput, missing: u64) -> f64 {
    missing as f64 / current.rate.max(1.0)
}

/// The number of connections that reach a rate, if each is as fast as those before.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a number that is not negative and far too high is as good as the maximum"
)]
fn needed(rate: f64, before: Throughput) -> usize {
    (rate / before.scaled_to(1).max(1.0)).ceil() as usize
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MIB: u64 = 1024 * 1024;
    const STEP: Duration = Duration::from_millis(5);

    /// A server and the network to it.
    #[derive(Clone, Copy, Debug)]
    struct Server {
        /// Bytes per second of one connection.
        each: f64,
        /// Bytes per second of all connections together.
        all: f64,
        /// From opening a connection to its first byte.
        latency: Duration,
    }

    /// A download from it, with the connections that the controller wants.
    struct Simulation {
        /// The steps after which received bytes are noticed, all at once.
        noticed_every: u32,
        steps: u32,
        unnoticed: u64,
        controller: ConnectionController,
        now: Duration,
        missing: u64,
        received: u64,
        /// When each connection was opened.
        open: Vec<Duration>,
        most: usize,
    }

    impl Simulation {
        fn new(bytes: u64) -> Self {
            Self {
                noticed_every: 1,
                steps: 0,
                unnoticed: 0,
                controller: ConnectionController::adaptive(bytes),
                now: Duration::ZERO,
                missing: bytes,
                received: 0,
                // The first response has arrived.
                open: vec![Duration::ZERO],
                most: 1,
            }
        }

        #[allow(
            clippy::cast_sign_loss,
            clippy::cast_possible_truncation,
            clippy::cast_precision_loss
        )]
        fn step(&mut self, server: &Server) {
            let target = self.controller.target();
            assert!((1..=self.controller.max()).contains(&target));
            self.open.truncate(target);
            while self.open.len() < target {
                self.open.push(self.now + server.latency);
            }
            self.most = self.most.max(target);
            let receiving = self.open.iter().filter(|since| **since <= self.now).count();
            let rate = (server.each * receiving as f64).min(server.all);
            let bytes = ((rate * STEP.as_secs_f64()) as u64).min(self.missing);
            self.now += STEP;
            self.missing -= bytes;
            self.unnoticed += bytes;
            self.steps += 1;
            if self.steps.is_multiple_of(self.noticed_every) {
                self.received += std::mem::take(&mut self.unnoticed);
            }
            self.controller.observe(Observation {
                now: self.now,
                received: self.received,
                missing: self.missing,
                open: self.open.len(),
                receiving,
            });
        }

        fn run_for(&mut self, server: &Server, time: Duration) {
            let end = self.now + time;
            while self.now < end && self.missing > 0 {
                self.step(server);
            }
        }

        fn run(&mut self, server: &Server) -> Duration {
            self.run_for(server, Duration::MAX / 2);
            self.now
        }
    }

    const SLOW_CONNECTIONS: Server = Server {
        each: 25e6,
        all: f64::INFINITY,
        latency: Duration::from_millis(40),
    };
    const LOOPBACK: Server = Server {
        each: 700e6,
        all: 900e6,
        latency: Duration::from_millis(1),
    };

    #[test]
    fn slow_connections_are_many() {
        let mut download = Simulation::new(256 * MIB);
        let time = download.run(&SLOW_CONNECTIONS);
        assert_eq!(download.most, 16);
        // With all connections from the beginning, it would take 711 ms.
        assert!(time < Duration::from_millis(780), "{time:?}");
    }

    #[test]
    fn a_busy_machine_delays_but_does_not_prevent_more_connections() {
        for steps in 2..12 {
            let mut download = Simulation::new(256 * MIB);
            download.noticed_every = steps;
            let time = download.run(&SLOW_CONNECTIONS);
            assert!(download.most >= 8, "{steps}: {}", download.most);
            assert!(time < Duration::from_millis(1500), "{steps}: {time:?}");
        }
    }

    #[test]
    fn a_fast_server_needs_two() {
        for mib in [8, 256, 1024, 64 * 1024] {
            let mut download = Simulation::new(mib * MIB);
            download.run_for(&LOOPBACK, Duration::from_secs(60));
            assert_eq!(download.controller.target(), 2, "{mib} MiB");
        }
    }

    #[test]
    fn small_content_has_one_connection() {
        for (bytes, expected) in [
            (0, 1),
            (5 * MIB, 1),
            (8 * MIB, 2),
            (32 * MIB, 8),
            (u64::MAX, 16),
        ] {
            assert_eq!(
                ConnectionController::adaptive(bytes).max(),
                expected,
                "{bytes}"
            );
        }
    }

    #[test]
    fn connections_that_a_bottleneck_makes_useless_are_given_back() {
        let mut download = Simulation::new(1 << 40);
        download.run_for(&SLOW_CONNECTIONS, Duration::from_secs(1));
        assert_eq!(download.controller.target(), 16);
        let narrow = Server {
            all: 50e6,
            ..SLOW_CONNECTIONS
        };
        download.run_for(&narrow, Duration::from_secs(60));
        assert!(
            download.controller.target() <= 4,
            "{:?}",
            download.controller
        );
        download.run_for(&SLOW_CONNECTIONS, Duration::from_secs(120));
        assert!(
            download.controller.target() >= 8,
            "{:?}",
            download.controller
        );
    }

    #[test]
    fn a_connection_that_hangs_does_not_stop_others_from_being_added() {
        let mut controller = ConnectionController::adaptive(256 * MIB);
        let mut now = Duration::ZERO;
        let mut received = 0;
        while controller.target() == 2 && now < Duration::from_secs(5) {
            now += STEP;
            received += 125_000;
            controller.observe(Observation {
                now,
                received,
                missing: 256 * MIB - received,
                open: 2,
                receiving: 1,
            });
        }
        assert!(controller.target() > 2);
    }

    #[test]
    fn it_does_not_measure_all_the_time_if_no_connection_can_be_added() {
        let mut controller = ConnectionController::adaptive(256 * MIB);
        let measuring = (1_u32..2000).filter(|step| {
            controller.observe(Observation {
                now: STEP * *step,
                received: u64::from(*step) * 10_000,
                missing: 200 * MIB,
                open: 1,
                receiving: 1,
            });
            controller.is_measuring()
        });
        let measuring = measuring.count();
        assert!(measuring < 50, "{measuring}");
        assert!(!ConnectionController::adaptive(0).is_measuring());
        assert!(!ConnectionController::fixed(4).is_measuring());
    }

    #[test]
    fn a_fixed_number_never_changes() {
        let mut download = Simulation::new(256 * MIB);
        download.controller = ConnectionController::fixed(5);
        download.run(&SLOW_CONNECTIONS);
        assert_eq!((download.most, download.controller.target()), (5, 5));
    }

    proptest! {
        /// Whatever the network, the number stays within its bounds, and most of what is possible is
        /// reached with not many more connections than that takes.
        #[test]
        #[allow(clippy::cast_precision_loss, clippy::cast_sign_loss, clippy::cast_possible_truncation)]
        fn it_converges(
            each in 1e5..1e9_f64,
            streams in 0.5..40.0_f64,
            latency in 0_u64..300,
        ) {
            let server = Server {
                each,
                all: each * streams,
                latency: Duration::from_millis(latency),
            };
            let mut download = Simulation::new(1 << 50);
            download.run_for(&server, Duration::from_secs(60));
            let before = download.received;
            download.run_for(&server, Duration::from_secs(60));
            let rate = (download.received - before) as f64 / 60.0;
            let possible = server.all.min(each * 16.0);
            prop_assert!(rate >= 0.6 * possible, "{rate} of {possible}: {:?}", download.controller);
            let enough = (streams.ceil() as usize).clamp(2, 16);
            prop_assert!(download.controller.target() <= (enough * 2).min(16), "{:?}", download.controller);
        }
    }
}
