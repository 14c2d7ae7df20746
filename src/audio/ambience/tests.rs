use super::*;
use crate::audio::level;

const RATES: [SampleRate; 2] = [SampleRate::HZ_8000, SampleRate::HZ_16000];

type Place = fn(SampleRate) -> Option<&'static [i16]>;
const PLACES: [(&str, Place); 3] = [("office", office), ("coffee shop", coffee_shop), ("outdoor", outdoor)];

fn each(mut check: impl FnMut(&str, SampleRate, &'static [i16])) {
    for (name, place) in PLACES {
        for rate in RATES {
            check(name, rate, place(rate).unwrap());
        }
    }
}

/// What is left behind a filter, in pieces of so many milliseconds: the energy of each.
fn energies(bed: &[i16], rate: SampleRate, filters: &[canvas::Filter], ms: usize) -> Vec<f32> {
    let hz = rate.hz() as f32;
    let mut running: Vec<_> = filters.iter().map(|filter| canvas::Running::new(*filter, hz)).collect();
    let mut through = |sample: i16| running.iter_mut().fold(f32::from(sample), |value, filter| filter.next(value));
    let sound: Vec<f32> = bed.iter().map(|sample| through(*sample)).collect();
    let piece = rate.hz() as usize * ms / 1_000;
    sound.chunks_exact(piece).map(|piece| piece.iter().map(|value| value * value).sum()).collect()
}

fn median(values: &[f32]) -> f32 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f32::total_cmp);
    sorted[sorted.len() / 2]
}

/// How many stretches in a row stand out of the rest by this factor.
fn events(energies: &[f32], factor: f32) -> usize {
    let usual = median(energies);
    let out: Vec<bool> = energies.iter().map(|energy| *energy > usual * factor).collect();
    out.windows(2).filter(|pair| !pair[0] && pair[1]).count()
}

#[test]
fn a_bed_is_as_loud_as_it_is_to_be_all_along() {
    each(|name, rate, bed| {
        assert_eq!(rate.duration_of(bed.len()), LENGTH);
        assert!((level::dbfs(bed) - LEVEL_DBFS).abs() < 0.5, "{name}: {}", level::dbfs(bed));
        for piece in bed.chunks(rate.hz() as usize * 2) {
            let off = level::dbfs(piece) - LEVEL_DBFS;
            assert!(off.abs() < 4.0, "{name} at {rate:?}: {off} dB off");
        }
        let crest = f32::from(level::peak(bed)) / level::rms(bed);
        assert!(crest <= 4.3, "{name}: {crest}");
    });
}

#[test]
fn where_a_bed_begins_again_is_not_to_be_heard() {
    each(|name, rate, bed| {
        let step = |pair: &[i16]| i32::from(pair[0]).abs_diff(i32::from(pair[1]));
        let most = bed.windows(2).map(step).max().unwrap();
        assert!(step(&[bed[bed.len() - 1], bed[0]]) <= most / 2, "{name}: a step");
        // Nor does anything break off there: the two sides of the seam are as loud as each other.
        let side = rate.hz() as usize / 5;
        let (before, after) = (level::dbfs(&bed[bed.len() - side..]), level::dbfs(&bed[..side]));
        assert!((before - after).abs() < 6.0, "{name}: {before} and {after} dBFS");
    });
}

#[test]
fn the_same_place_is_the_same_sound_and_each_has_its_own() {
    assert_eq!(office(SampleRate::HZ_8000).unwrap().as_ptr(), office(SampleRate::HZ_8000).unwrap().as_ptr());
    assert!(outdoor(SampleRate::HZ_48000).is_none(), "no line works at that rate");
    for rate in RATES {
        let [a, b, c] = PLACES.map(|(_, place)| place(rate).unwrap());
        for (one, other) in [(a, b), (b, c), (a, c)] {
            let product: f64 = one.iter().zip(other).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
            let size = f64::from(level::rms(one)) * f64::from(level::rms(other)) * one.len() as f64;
            assert!((product / size).abs() < 0.05);
        }
    }
}

#[test]
fn a_place_can_be_told_by_what_is_heard_in_it() {
    use canvas::Filter::{Band, High, Low};
    for rate in RATES {
        let of = |place: Place| place(rate).unwrap();
        let total = |bed: &[i16], filters: &[canvas::Filter]| energies(bed, rate, filters, 20).iter().sum::<f32>();
        // Typing: short clicks, many of them; in the other places what is so high lasts longer.
        let clicks = |place: Place| events(&energies(of(place), rate, &[High(1_500.0)], 10), 12.0);
        let (typing, cups, birds) = (clicks(office), clicks(coffee_shop), clicks(outdoor));
        assert!(
            typing > 30 && typing > 3 * birds / 2,
            "{rate:?}: {typing} clicks, {cups} in the shop, {birds} outdoors"
        );
        // Talk lies where voices do; wind and air conditioning lie below.
        let voices = |place: Place| total(of(place), &[Band(500.0, 300.0)]) / total(of(place), &[]);
        assert!(voices(coffee_shop) > 1.2 * voices(office), "{rate:?}: {} {}", voices(coffee_shop), voices(office));
        assert!(voices(coffee_shop) > 1.2 * voices(outdoor), "{rate:?}: {}", voices(outdoor));
        let low = |place: Place| total(of(place), &[Low(450.0)]) / total(of(place), &[]);
        assert!(low(outdoor) > low(coffee_shop), "{rate:?}: {} {}", low(outdoor), low(coffee_shop));
        // Birds: at some moments nearly everything high is one tone.
        let tonal = |place: Place| {
            let high = energies(of(place), rate, &[High(2_000.0), High(2_000.0)], 20);
            let usual = median(&high);
            high.iter().filter(|energy| **energy > 8.0 * usual).count()
        };
        assert!((30..400).contains(&tonal(outdoor)), "{rate:?}: {} pieces with birds", tonal(outdoor));
    }
}
