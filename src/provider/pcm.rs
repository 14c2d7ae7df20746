//! 16-bit samples out of bytes that come in any pieces.

/// Puts little-endian samples together; a piece may end in the middle of one.
#[derive(Clone, Default, Debug)]
pub(super) struct SampleReader {
    /// The first half of a sample whose second half is to come.
    half: Option<u8>,
}

impl SampleReader {
    /// The samples that `bytes` complete.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Vec<i16> {
        let mut samples = Vec::with_capacity(bytes.len() / 2 + 1);
        let mut low = self.half.take();
        for &byte in bytes {
            match low.take() {
                Some(low) => samples.push(i16::from_le_bytes([low, byte])),
                None => low = Some(byte),
            }
        }
        self.half = low;
        samples
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_whole_wherever_the_bytes_split() {
        let samples: Vec<i16> = (-20..20).map(|n| n * 771).collect();
        let bytes: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
        for size in 1..bytes.len() {
            let mut reader = SampleReader::default();
            let read: Vec<i16> = bytes.chunks(size).flat_map(|piece| reader.push(piece)).collect();
            assert_eq!(read, samples, "pieces of {size}");
        }
    }
}
