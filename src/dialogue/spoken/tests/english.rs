//! English.

use super::check;

#[test]
fn numbers() {
    check(
        "en-US",
        &[
            ("I have 3 cats.", "I have three cats."),
            ("It is 0 or 21.", "It is zero or twenty-one."),
            (
                "We sold 1,234,567 units.",
                "We sold one million two hundred thirty-four thousand five hundred sixty-seven units.",
            ),
            ("A length of 3.14 units.", "A length of three point one four units."),
            ("It is -5 outside.", "It is minus five outside."),
            ("It is −12.5 here.", "It is minus twelve point five here."),
            ("1500 people came.", "one thousand five hundred people came."),
            ("It is ~50 of them.", "It is about fifty of them."),
            ("Take 10-20 of them.", "Take ten to twenty of them."),
            ("Open 9–5 daily.", "Open nine to five daily."),
            ("Pages 12–15.", "Pages twelve to fifteen."),
            ("50% off.", "fifty percent off."),
            ("2.5 % more.", "two point five percent more."),
            ("10-15% less.", "ten to fifteen percent less."),
            ("A 5-year-old.", "A five-year-old."),
            ("1/2 cup.", "one half cup."),
            ("3/4 done.", "three quarters done."),
            ("2 1/2 hours.", "two and one half hours."),
            ("1½ cups.", "one and one half cups."),
            ("The 1st, 2nd, 3rd, 12th and 21st.", "The first, second, third, twelfth and twenty-first."),
            ("The 20th floor.", "The twentieth floor."),
            ("We are #1.", "We are number one."),
            ("1,000,000,000 stars.", "one billion stars."),
            ("The total (42).", "The total (forty-two)."),
            ("Is it 7?", "Is it seven?"),
            ("Choose 1, 2 or 3.", "Choose one, two or three."),
            ("12,34", "12,34"),
            ("COVID-19 and MP3 and B2B stay.", "COVID-19 and MP3 and B2B stay."),
        ],
    );
}

#[test]
fn money_and_units() {
    check(
        "en-US",
        &[
            ("It is $5.", "It is five dollars."),
            ("It is $1.", "It is one dollar."),
            ("That is $1,200.50 in all.", "That is one thousand two hundred dollars and fifty cents in all."),
            ("Only $0.99!", "Only ninety-nine cents!"),
            ("$3.00 each.", "three dollars each."),
            ("$3.5 million.", "three point five million dollars."),
            ("$5M or $20k.", "five million dollars or twenty thousand dollars."),
            ("$10-20 a month.", "ten to twenty dollars a month."),
            ("$10-$20 a month.", "ten to twenty dollars a month."),
            ("-$5 today.", "minus five dollars today."),
            ("£2.01 or €3.", "two pounds and one penny or three euros."),
            ("100 USD or 12 €.", "one hundred dollars or twelve euros."),
            ("5 million people.", "five million people."),
            ("5 km, 1 km and 3.5 km.", "five kilometers, one kilometer and three point five kilometers."),
            ("72°F or 22 °C.", "seventy-two degrees Fahrenheit or twenty-two degrees Celsius."),
            ("65 mph.", "sixty-five miles per hour."),
            ("2 lbs, 5kg.", "two pounds, five kilograms."),
            ("30 min.", "thirty minutes."),
            ("16GB of memory.", "sixteen gigabytes of memory."),
            ("1,200 sq ft.", "one thousand two hundred square feet."),
            ("5 m away.", "five meters away."),
        ],
    );
}

#[test]
fn dates_and_times() {
    check(
        "en-US",
        &[
            ("On January 5, 2024, we open.", "On January fifth, twenty twenty-four, we open."),
            ("On Jan. 5 at noon.", "On January fifth at noon."),
            ("Due 2024-01-05.", "Due January fifth, twenty twenty-four."),
            ("By 1/5/2024.", "By January fifth, twenty twenty-four."),
            ("By 25/12/99.", "By December twenty-fifth, nineteen ninety-nine."),
            ("On 3/4 we meet.", "On March fourth we meet."),
            ("The 5 May 2024 meeting.", "The fifth of May, twenty twenty-four meeting."),
            ("In 1998 and in 2005.", "In nineteen ninety-eight and in two thousand five."),
            ("Since 1900.", "Since nineteen hundred."),
            ("From 1906.", "From nineteen oh six."),
            ("2020-2024 was fine.", "twenty twenty to twenty twenty-four was fine."),
            ("At 3:30 pm.", "At three thirty PM."),
            ("At 3:05 p.m. sharp.", "At three oh five PM sharp."),
            ("At 9 a.m.", "At nine AM."),
            ("At 3:00.", "At three o'clock."),
            ("At 15:30.", "At three thirty PM."),
            ("At 00:15.", "At twelve fifteen AM."),
            ("9-11am works.", "nine to eleven AM works."),
            ("9:00–17:00 daily.", "nine o'clock to five PM daily."),
            ("3pm or 4 PM?", "three PM or four PM?"),
            ("Mon. at 10:30.", "Monday at ten thirty."),
            ("It took 1:02:03.", "It took 1:02:03."),
        ],
    );
    check(
        "en-GB",
        &[
            ("On 5/1/2024.", "On the fifth of January, twenty twenty-four."),
            ("2024-12-25 it is.", "the twenty-fifth of December, twenty twenty-four it is."),
        ],
    );
}

#[test]
fn codes_and_addresses() {
    check(
        "en-US",
        &[
            ("Call 555-0100.", "Call five five five, zero one zero zero."),
            ("Call (415) 555-0100 now.", "Call four one five, five five five, zero one zero zero now."),
            ("Call 415-555-0100.", "Call four one five, five five five, zero one zero zero."),
            ("Call +1 415 555 0100.", "Call plus one, four one five, five five five, zero one zero zero."),
            ("Call 4155550100.", "Call four one five, five five five, zero one zero zero."),
            ("Order #1234567 is on its way.", "Order number one two three, four five six seven is on its way."),
            ("Your code is 4821.", "Your code is four eight two one."),
            ("You typed 4111, right?", "You typed four one one one, right?"),
            ("zip 94107", "zip nine four one, zero seven"),
            ("Room 204.", "Room two hundred four."),
            ("ID AB-1234.", "ID A B, one two three four."),
            ("Part X1Y2Z3.", "Part X one Y two Z three."),
            ("It ends in 007.", "It ends in zero zero seven."),
            ("Version 2.1.0 or v1.2.", "Version two point one point zero or version one point two."),
            ("The host 192.168.0.1.", "The host one nine two dot one six eight dot zero dot one."),
            ("See https://www.example.com/help?x=1.", "See example dot com slash help."),
            ("See example.com/a_b.", "See example dot com slash a underscore b."),
            ("Mail john.doe@example.co.uk.", "Mail john dot doe at example dot co dot uk."),
            ("Done.Then more", "Done.Then more"),
            ("Node.js and e.g.", "Node.js and for example."),
            ("A card: 4111 1111.", "A card: four thousand one hundred eleven one thousand one hundred eleven."),
        ],
    );
}

#[test]
fn abbreviations_and_signs() {
    check(
        "en-US",
        &[
            ("Dr. Smith lives on Elm Dr. in St. Louis.", "Doctor Smith lives on Elm Drive in Saint Louis."),
            ("12 Main St.", "twelve Main Street."),
            ("Mr. and Mrs. Jones.", "Mr. and Missus Jones."),
            ("Apples, pears, etc.", "Apples, pears, et cetera."),
            ("Apples, etc. are fine.", "Apples, et cetera are fine."),
            ("E.g. this, i.e. that.", "for example this, that is that."),
            ("Approx. 5 vs. 6.", "approximately five versus six."),
            ("No. 5 is no. Really.", "number five is no. Really."),
            ("You & me.", "You and me."),
            ("2 + 2 = 4.", "two plus two equals four."),
            ("5 < 6.", "five less than six."),
            ("3 × 4.", "three times four."),
            ("NASA and FBI stay.", "NASA and FBI stay."),
        ],
    );
}
