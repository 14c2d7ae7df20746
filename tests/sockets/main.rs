//! The few tests that need true sockets. Loopback only, bounded in time.

mod providers;
