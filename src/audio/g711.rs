//! G.711 µ-law and A-law by the segment arithmetic of ITU-T G.711.

/// Decodes one µ-law byte. Silence is `0xFF` (+0) and `0x7F` (−0).
pub const fn ulaw_to_linear(byte: u8) -> i16 {
    let byte = !byte;
    let magnitude = ((((byte & 0x0F) as i16) << 3) + 0x84) << ((byte & 0x70) >> 4);
    if byte & 0x80 != 0 { 0x84 - magnitude } else { magnitude - 0x84 }
}

/// Encodes one sample as µ-law.
pub const fn linear_to_ulaw(sample: i16) -> u8 {
    let (sign, magnitude) = if sample < 0 { (0x80u8, -(sample as i32)) } else { (0, sample as i32) };
    let magnitude = (if magnitude > 32_635 { 32_635 } else { magnitude }) + 0x84;
    let exponent = (31 - (magnitude as u32).leading_zeros()) as u8 - 7;
    let mantissa = ((magnitude >> (exponent + 3)) & 0x0F) as u8;
    !(sign | (exponent << 4) | mantissa)
}

/// Decodes one A-law byte. Silence is `0xD5`.
pub const fn alaw_to_linear(byte: u8) -> i16 {
    let byte = byte ^ 0x55;
    let mantissa = ((byte & 0x0F) as i16) << 4;
    let exponent = (byte & 0x70) >> 4;
    let magnitude = if exponent == 0 { mantissa + 8 } else { (mantissa + 0x108) << (exponent - 1) };
    if byte & 0x80 != 0 { magnitude } else { -magnitude }
}

/// Encodes one sample as A-law.
pub const fn linear_to_alaw(sample: i16) -> u8 {
    let (sign, magnitude) = if sample >= 0 { (0x80u8, sample as i32 >> 3) } else { (0, (!(sample as i32)) >> 3) };
    let code = if magnitude < 32 {
        (magnitude >> 1) as u8
    } else {
        let exponent = (31 - (magnitude as u32).leading_zeros()) as u8 - 4;
        (exponent << 4) | ((magnitude >> exponent) & 0x0F) as u8
    };
    (sign | code) ^ 0x55
}
