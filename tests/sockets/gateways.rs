//! Lines over real sockets.

mod rtp;
mod srtp;
mod twilio;
