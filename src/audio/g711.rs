//! G.711 µ-law and A-law, by tables.
//!
//! The tables are computed at compile time by the segment arithmetic of ITU-T G.711, with the decision values of the
//! reference coder of ITU-T G.191 (negative samples by one's complement). Decoded samples fill 16 bits: ±32 124 (µ-law)
//! and ±32 256 (A-law) are the loudest.

/// The µ-law byte of silence (+0).
pub const ULAW_SILENCE: u8 = 0xFF;
/// The A-law byte of silence (the smallest positive value, 8: A-law has no zero).
pub const ALAW_SILENCE: u8 = 0xD5;

/// Decodes one µ-law byte. Silence is `0xFF` (+0) and `0x7F` (−0).
pub const fn ulaw_to_linear(byte: u8) -> i16 {
    ULAW_DECODE[byte as usize]
}

/// Encodes one sample as µ-law, by its 14 highest bits.
pub const fn linear_to_ulaw(sample: i16) -> u8 {
    ULAW_ENCODE[(sample as u16 >> 2) as usize]
}

/// Decodes one A-law byte. Silence is `0xD5`.
pub const fn alaw_to_linear(byte: u8) -> i16 {
    ALAW_DECODE[byte as usize]
}

/// Encodes one sample as A-law, by its 12 highest bits.
pub const fn linear_to_alaw(sample: i16) -> u8 {
    ALAW_ENCODE[(sample as u16 >> 4) as usize]
}

/// Decodes µ-law bytes into the front of `samples`, as many as both hold, and says how many.
pub fn decode_ulaw(bytes: &[u8], samples: &mut [i16]) -> usize {
    samples.iter_mut().zip(bytes).map(|(sample, &byte)| *sample = ulaw_to_linear(byte)).count()
}

/// Encodes samples as µ-law into the front of `bytes`, as many as both hold, and says how many.
pub fn encode_ulaw(samples: &[i16], bytes: &mut [u8]) -> usize {
    bytes.iter_mut().zip(samples).map(|(byte, &sample)| *byte = linear_to_ulaw(sample)).count()
}

/// Decodes A-law bytes into the front of `samples`, as many as both hold, and says how many.
pub fn decode_alaw(bytes: &[u8], samples: &mut [i16]) -> usize {
    samples.iter_mut().zip(bytes).map(|(sample, &byte)| *sample = alaw_to_linear(byte)).count()
}

/// Encodes samples as A-law into the front of `bytes`, as many as both hold, and says how many.
pub fn encode_alaw(samples: &[i16], bytes: &mut [u8]) -> usize {
    bytes.iter_mut().zip(samples).map(|(byte, &sample)| *byte = linear_to_alaw(sample)).count()
}

static ULAW_DECODE: [i16; 256] = {
    let mut table = [0; 256];
    let mut code = 0;
    while code < table.len() {
        table[code] = expand_ulaw(code as u8);
        code += 1;
    }
    table
};

static ALAW_DECODE: [i16; 256] = {
    let mut table = [0; 256];
    let mut code = 0;
    while code < table.len() {
        table[code] = expand_alaw(code as u8);
        code += 1;
    }
    table
};

/// Indexed by the 14 highest bits of a sample.
static ULAW_ENCODE: [u8; 1 << 14] = {
    let mut table = [0; 1 << 14];
    let mut index = 0;
    while index < table.len() {
        table[index] = compress_ulaw(((index as u16) << 2) as i16);
        index += 1;
    }
    table
};

/// Indexed by the 12 highest bits of a sample.
static ALAW_ENCODE: [u8; 1 << 12] = {
    let mut table = [0; 1 << 12];
    let mut index = 0;
    while index < table.len() {
        table[index] = compress_alaw(((index as u16) << 4) as i16);
        index += 1;
    }
    table
};

/// What µ-law adds to a magnitude so that every segment begins at a power of two, on 14 bits.
const BIAS: u32 = 33;

const fn expand_ulaw(byte: u8) -> i16 {
    let byte = !byte;
    let step = ((byte & 0x0F) as i16) << 1 | BIAS as i16;
    let magnitude = ((step << ((byte & 0x70) >> 4)) - BIAS as i16) << 2;
    if byte & 0x80 != 0 { -magnitude } else { magnitude }
}

const fn compress_ulaw(sample: i16) -> u8 {
    let (sign, magnitude) = if sample < 0 { (0x80, !sample as u32) } else { (0, sample as u32) };
    let biased = (magnitude >> 2) + BIAS;
    let biased = if biased > 0x1FFF { 0x1FFF } else { biased };
    let segment = biased.ilog2() - 5;
    !(sign | (segment << 4) as u8 | (biased >> (segment + 1)) as u8 & 0x0F)
}

const fn expand_alaw(byte: u8) -> i16 {
    let byte = byte ^ 0x55;
    let mantissa = ((byte & 0x0F) as i16) << 4;
    let segment = (byte & 0x70) >> 4;
    let magnitude = if segment == 0 { mantissa + 8 } else { (mantissa + 0x108) << (segment - 1) };
    if byte & 0x80 != 0 { magnitude } else { -magnitude }
}

const fn compress_alaw(sample: i16) -> u8 {
    let (sign, magnitude) = if sample < 0 { (0, !sample as u32 >> 4) } else { (0x80, sample as u32 >> 4) };
    let code = if magnitude < 32 {
        magnitude as u8
    } else {
        let segment = magnitude.ilog2() - 4;
        ((segment + 1) << 4) as u8 | (magnitude >> segment) as u8 & 0x0F
    };
    (sign | code) ^ 0x55
}

// The first two segments of A-law have the same step: magnitudes 0 to 31 are their own codes.
const _: () = assert!(compress_alaw(0x1F0) ^ 0x55 == 0x80 | 31 && compress_alaw(0x200) ^ 0x55 == 0x80 | 32);

#[cfg(test)]
mod tests {
    use super::*;

    type Law = (fn(u8) -> i16, fn(i16) -> u8);
    const LAWS: [Law; 2] = [(ulaw_to_linear, linear_to_ulaw), (alaw_to_linear, linear_to_alaw)];

    #[test]
    fn known_values_of_the_reference_coder() {
        for (sample, byte) in [(0, 0xFF), (3, 0xFF), (4, 0xFE), (-1, 0x7F), (-4, 0x7F), (-5, 0x7E), (1_000, 0xCE)] {
            assert_eq!(linear_to_ulaw(sample), byte, "µ-law of {sample}");
        }
        assert_eq!((linear_to_ulaw(i16::MAX), linear_to_ulaw(i16::MIN)), (0x80, 0x00));
        assert_eq!((ulaw_to_linear(0x80), ulaw_to_linear(0x00)), (32_124, -32_124));
        assert_eq!((ulaw_to_linear(0xFF), ulaw_to_linear(0x7F)), (0, 0));
        for (sample, byte) in [(0, 0xD5), (15, 0xD5), (16, 0xD4), (-1, 0x55), (-16, 0x55), (-17, 0x54)] {
            assert_eq!(linear_to_alaw(sample), byte, "A-law of {sample}");
        }
        assert_eq!((linear_to_alaw(i16::MAX), linear_to_alaw(i16::MIN)), (0xAA, 0x2A));
        assert_eq!((alaw_to_linear(0xAA), alaw_to_linear(0x2A)), (32_256, -32_256));
        assert_eq!((alaw_to_linear(ALAW_SILENCE), alaw_to_linear(0x55)), (8, -8));
    }

    #[test]
    fn every_code_survives_a_round_trip() {
        for byte in 0..=255 {
            // µ-law has two zeros; the negative one comes back as the positive.
            let expected = if byte == 0x7F { ULAW_SILENCE } else { byte };
            assert_eq!(linear_to_ulaw(ulaw_to_linear(byte)), expected);
            assert_eq!(linear_to_alaw(alaw_to_linear(byte)), byte);
        }
    }

    #[test]
    fn no_sample_moves_by_more_than_half_a_step() {
        for (decode, encode) in LAWS {
            let mut values: Vec<i32> = (0..=255).map(|byte| i32::from(decode(byte))).collect();
            values.sort_unstable();
            values.dedup();
            let (lowest, highest) = (values[0], values[values.len() - 1]);
            for sample in i16::MIN..=i16::MAX {
                let wanted = i32::from(sample);
                let got = i32::from(decode(encode(sample)));
                let at = values.binary_search(&got).unwrap();
                let below = got - values[at.saturating_sub(1)];
                let above = values[(at + 1).min(values.len() - 1)] - got;
                // Beyond the loudest values there is nothing but clipping.
                let clipped = wanted.clamp(lowest, highest);
                assert!(2 * (got - clipped).abs() <= below.max(above), "{sample} became {got}");
            }
        }
    }

    #[test]
    fn louder_samples_never_decode_quieter() {
        for (decode, encode) in LAWS {
            for sample in i16::MIN..i16::MAX {
                assert!(decode(encode(sample)) <= decode(encode(sample + 1)), "{sample}");
            }
        }
    }

    #[test]
    fn slices_go_as_far_as_the_shorter_one() {
        let mut samples = [1i16; 3];
        assert_eq!(decode_ulaw(&[0x80, 0x00], &mut samples), 2);
        assert_eq!(samples, [32_124, -32_124, 1]);
        assert_eq!(decode_alaw(&[0xAA; 5], &mut samples), 3);
        let mut bytes = [0u8; 2];
        assert_eq!(encode_alaw(&[0, 0, 0], &mut bytes), 2);
        assert_eq!(bytes, [ALAW_SILENCE; 2]);
        assert_eq!(encode_ulaw(&[0], &mut bytes), 1);
        assert_eq!(bytes, [ULAW_SILENCE, ALAW_SILENCE]);
    }
}
