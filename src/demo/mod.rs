//! DOORS · one phone call end to end, with no keys and no services.
