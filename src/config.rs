//! DOORS · file + environment → the plain config struct of each room.
