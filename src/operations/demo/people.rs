//! Invented people: names in several scripts, with the shares of inactive, staff and never signed-in
//! users that installations have. The benchmark measures with them, too.

use std::time::Duration;

use crate::model::clock::Timestamp;
use crate::model::user::{User, UserId, Username};

/// A name in its own script and as it stands in a user name.
type Name = (&'static str, &'static str);

/// Where names come from.
struct Culture {
    given: &'static [Name],
    family: &'static [Name],
}

/// Drawn with equal chance; those that are listed twice are twice as frequent.
const CULTURES: [&Culture; 12] = [
    &ENGLISH,
    &ENGLISH,
    &ENGLISH,
    &WESTERN,
    &WESTERN,
    &WESTERN,
    &EASTERN,
    &NIGERIAN,
    &CYRILLIC,
    &GREEK,
    &ARABIC,
    &EAST_ASIAN,
];

const ENGLISH: Culture = Culture {
    given: &[
        ("Ada", "ada"),
        ("Alan", "alan"),
        ("Barbara", "barbara"),
        ("Charlotte", "charlotte"),
        ("Edward", "edward"),
        ("Frances", "frances"),
        ("George", "george"),
        ("Grace", "grace"),
        ("James", "james"),
        ("Margaret", "margaret"),
        ("Oliver", "oliver"),
        ("Rosalind", "rosalind"),
        ("Sophie", "sophie"),
        ("Thomas", "thomas"),
        ("William", "william"),
        ("Zoe", "zoe"),
    ],
    family: &[
        ("Babbage", "babbage"),
        ("Brown", "brown"),
        ("Clarke", "clarke"),
        ("Fletcher", "fletcher"),
        ("Hamilton", "hamilton"),
        ("Hughes", "hughes"),
        ("Johnson", "johnson"),
        ("Lovelace", "lovelace"),
        ("McDonald", "mcdonald"),
        ("O'Brien", "obrien"),
        ("O'Sullivan", "osullivan"),
        ("Smith", "smith"),
        ("Smith-Jones", "smith-jones"),
        ("Taylor", "taylor"),
        ("Turing", "turing"),
        ("Wright", "wright"),
    ],
};

const WESTERN: Culture = Culture {
    given: &[
        ("Anaïs", "anais"),
        ("Björn", "bjoern"),
        ("Carmen", "carmen"),
        ("Chloé", "chloe"),
        ("François", "francois"),
        ("Giulia", "giulia"),
        ("Jörg", "joerg"),
        ("José", "jose"),
        ("Jürgen", "juergen"),
        ("Lucía", "lucia"),
        ("María", "maria"),
        ("Matteo", "matteo"),
        ("Renée", "renee"),
        ("Søren", "soeren"),
        ("Thaís", "thais"),
        ("Ulla Maria", "ulla.maria"),
    ],
    family: &[
        ("Almeida", "almeida"),
        ("Bianchi", "bianchi"),
        ("d'Angelo", "dangelo"),
        ("Dupont", "dupont"),
        ("Fernández", "fernandez"),
        ("García Márquez", "garcia"),
        ("Gauß", "gauss"),
        ("Lefèvre", "lefevre"),
        ("Müller", "mueller"),
        ("Núñez", "nunez"),
        ("Ødegård", "oedegaard"),
        ("Rossi", "rossi"),
        ("Schröder", "schroeder"),
        ("van den Berg", "vandenberg"),
        ("Weiß", "weiss"),
        ("Zimmermann", "zimmermann"),
    ],
};

const EASTERN: Culture = Culture {
    given: &[
        ("Agnieszka", "agnieszka"),
        ("Ayşe", "ayse"),
        ("Božena", "bozena"),
        ("Çağla", "cagla"),
        ("Đorđe", "djordje"),
        ("Gábor", "gabor"),
        ("İbrahim", "ibrahim"),
        ("Jiří", "jiri"),
        ("Łukasz", "lukasz"),
        ("Zsófia", "zsofia"),
    ],
    family: &[
        ("Čapek", "capek"),
        ("Dąbrowska", "dabrowska"),
        ("Dvořák", "dvorak"),
        ("Erdoğan", "erdogan"),
        ("Kovács", "kovacs"),
        ("Nowak", "nowak"),
        ("Šimić", "simic"),
        ("Szabó", "szabo"),
        ("Wójcik", "wojcik"),
        ("Yılmaz", "yilmaz"),
    ],
};

const NIGERIAN: Culture = Culture {
    given: &[
        ("Adaeze", "adaeze"),
        ("Babajide", "babajide"),
        ("Chidi", "chidi"),
        ("Ifeoma", "ifeoma"),
        ("Ngozi", "ngozi"),
        ("Oluwaseun", "oluwaseun"),
        ("Ọlá", "ola"),
        ("Yetunde", "yetunde"),
    ],
    family: &[
        ("Abiọdun", "abiodun"),
        ("Achebe", "achebe"),
        ("Adichie", "adichie"),
        ("Balogun", "balogun"),
        ("Eze", "eze"),
        ("Okafor", "okafor"),
        ("Okonkwo", "okonkwo"),
        ("Ṣóyínká", "soyinka"),
    ],
};

const CYRILLIC: Culture = Culture {
    given: &[
        ("Анна", "anna"),
        ("Дмитрий", "dmitrij"),
        ("Екатерина", "ekaterina"),
        ("Ігор", "ihor"),
        ("Наталья", "natalja"),
        ("Оксана", "oksana"),
        ("Сергей", "sergej"),
        ("Фёдор", "fjodor"),
    ],
    family: &[
        ("Достоевский", "dostojewskij"),
        ("Иванова", "iwanowa"),
        ("Ковальчук", "kowaltschuk"),
        ("Кузнецов", "kusnezow"),
        ("Менделеев", "mendelejew"),
        ("Смирнова", "smirnowa"),
        ("Шевченко", "schewtschenko"),
        ("Щербаков", "schtscherbakow"),
    ],
};

const GREEK: Culture = Culture {
    given: &[
        ("Αλέξανδρος", "alexandros"),
        ("Γιώργος", "giorgos"),
        ("Ελένη", "eleni"),
        ("Κωνσταντίνος", "konstantinos"),
        ("Μαρία", "maria"),
        ("Σοφία", "sofia"),
    ],
    family: &[
        ("Αγγελόπουλος", "angelopoulos"),
        ("Βασιλείου", "vasiliou"),
        ("Δημητρίου", "dimitriou"),
        ("Καζαντζάκης", "kazantzakis"),
        ("Παπαδοπούλου", "papadopoulou"),
        ("Σεφέρης", "seferis"),
    ],
};

const ARABIC: Culture = Culture {
    given: &[
        ("أحمد", "ahmad"),
        ("خديجة", "khadija"),
        ("سارة", "sara"),
        ("علي", "ali"),
        ("فاطمة", "fatima"),
        ("محمد", "muhammad"),
    ],
    family: &[
        ("الحسن", "alhasan"),
        ("الخوارزمي", "alkhwarizmi"),
        ("حداد", "haddad"),
        ("خوري", "khoury"),
        ("منصور", "mansour"),
        ("نجار", "najjar"),
    ],
};

const EAST_ASIAN: Culture = Culture {
    given: &[
        ("伟", "wei"),
        ("秀英", "xiuying"),
        ("健太", "kenta"),
        ("さくら", "sakura"),
        ("陽翔", "haruto"),
        ("민준", "minjun"),
        ("서연", "seoyeon"),
        ("Nguyệt", "nguyet"),
    ],
    family: &[
        ("王", "wang"),
        ("李", "li"),
        ("欧阳", "ouyang"),
        ("佐藤", "sato"),
        ("鈴木", "suzuki"),
        ("김", "kim"),
        ("박", "park"),
        ("Trần", "tran"),
    ],
};

/// One person in so many has a rare name.
const RARITY: u64 = 50_000;
const RARE: Name = ("Quillfeather", "quillfeather");

const DOMAINS: [&str; 8] = [
    "example.org",
    "example.org",
    "example.org",
    "example.com",
    "example.com",
    "example.net",
    "mail.example.edu",
    "post.example.de",
];

/// People without end, the same for the same seed and number.
#[derive(Debug)]
pub struct People {
    random: Random,
    number: u64,
    now: Timestamp,
}

impl People {
    /// From the person with that number on. All dates lie before `now`.
    #[must_use]
    pub fn new(seed: u64, number: u64, now: Timestamp) -> Self {
        // Another number must not give the same people once more.
        Self { random: Random::new(seed ^ number.rotate_left(32)), number, now }
    }

    /// The next person. Their number in the user name keeps it unique; the primary key is not set.
    pub fn next_user(&mut self) -> User {
        let random = &mut self.random;
        let culture = random.one_of(&CULTURES);
        let given = random.one_of(culture.given);
        let family = if random.happens(1, RARITY) { RARE } else { random.one_of(culture.family) };
        let name = format!("{}.{}{}", given.1, family.1, self.number);
        let email = if random.happens(5, 100) {
            String::new()
        } else {
            format!("{name}@{}", random.one_of(&DOMAINS))
        };
        let joined = random.below(8 * 365 * DAY);
        // Most were here lately.
        let seen = joined.min(random.below(365 * DAY) * random.below(100) / 100);
        let now = self.now;
        let fraction = random.below(1_000_000);
        let before = |seconds| now.minus(Duration::from_micros(seconds * 1_000_000 + fraction));
        let (date_joined, last_login) = (before(joined), before(seen));
        self.number += 1;
        User {
            id: UserId(0),
            username: Username::from_row(name.clone(), name),
            first_name: given.0.to_owned(),
            last_name: family.0.to_owned(),
            email,
            is_active: !random.happens(7, 100),
            is_staff: random.happens(3, 100),
            last_login: (!random.happens(15, 100)).then_some(last_login),
            ..User::blank(date_joined)
        }
    }
}

/// Seconds.
const DAY: u64 = 24 * 60 * 60;

/// `SplitMix64` (Steele, Lea, Flood 2014): small, and the same on every machine. Not for secrets.
#[derive(Debug)]
pub(super) struct Random(u64);

impl Random {
    pub(super) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`. Its bias is far below what a made-up population shows.
    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// Happens in so many of so many cases.
    pub(super) fn happens(&mut self, cases: u64, of: u64) -> bool {
        self.below(of) < cases
    }

    pub(super) fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        let index = usize::try_from(self.below(all.len() as u64)).unwrap_or_default();
        all[index]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::text;

    fn people(seed: u64, first: u64, count: usize) -> Vec<User> {
        let mut people = People::new(seed, first, Timestamp::from_micros(1_700_000_000_000_000));
        (0..count).map(|_| people.next_user()).collect()
    }

    #[test]
    fn the_same_seed_gives_the_same_people_and_another_one_others() {
        assert_eq!(people(1, 1, 100), people(1, 1, 100));
        assert_ne!(people(1, 1, 100), people(2, 1, 100));
        let names = |users: Vec<User>| users.into_iter().map(|user| user.first_name).collect::<Vec<_>>();
        assert_ne!(names(people(1, 1, 100)), names(people(1, 101, 100)), "those that are appended");
    }

    #[test]
    fn made_up_people_are_users_that_could_have_been_typed() {
        for user in people(7, 1, 2000) {
            let name = user.username.as_str();
            assert_eq!(Username::parse(name), Ok(user.username.clone()));
            assert_eq!(text::canonical(name), user.username.key());
            assert_eq!(crate::model::user::check_new_email(&user.email), Ok(()));
            assert_eq!(text::tidy(&user.first_name), user.first_name);
            assert_eq!(text::tidy(&user.last_name), user.last_name);
            assert!(user.last_login.is_none_or(|login| login >= user.date_joined), "{name}");
        }
    }

    #[test]
    fn some_are_inactive_some_are_staff_and_some_never_signed_in() {
        let users = people(7, 1, 10_000);
        let count = |which: fn(&User) -> bool| users.iter().filter(|user| which(user)).count();
        assert!((500..900).contains(&count(|user| !user.is_active)));
        assert!((200..400).contains(&count(|user| user.is_staff)));
        assert!((1300..1700).contains(&count(|user| user.last_login.is_none())));
        assert!(users.iter().any(|user| !user.last_name.is_ascii()));
    }
}
