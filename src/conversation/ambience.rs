//! Where a call seems to come from.

/// The quiet bed under the agent's voice.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Ambience {
    /// None.
    #[default]
    None,
    /// An office.
    Office,
    /// A coffee shop.
    CoffeeShop,
    /// Out of doors.
    Outdoor,
}

impl Ambience {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::None, Self::Office, Self::CoffeeShop, Self::Outdoor];

    /// The name in the API (`ambientSound`).
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Office => "office",
            Self::CoffeeShop => "coffee-shop",
            Self::Outdoor => "outdoor",
        }
    }

    /// The one of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|ambience| ambience.name() == name)
    }
}
