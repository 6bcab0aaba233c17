//! x
use temporal_code::rollout::*;
use temporal_code::tracker::Tracker;
fn main() {
    let t = Tracker::open("/tmp/w/ft").unwrap();
    let f = Evolving::fallible("greet\u{2028}ing", |n: &u32| Ok(format!("hi {n}")))
        .variant("v2", |n: &u32| if n % 7 == 0 { Err("bad \"seven\"") } else if n % 11 == 0 { panic!("eleven") } else { Ok(format!("hello {n}")) })
        .strategy(Canary::new().weight(0.3).promote_after(20)).log_values().tracker(&t);
    for n in 0..80 { let _ = f.call_for(n.to_string(), &n); }
    println!("{:#?}", f.stats());
    println!("{:?}", f.summary().unwrap().map(|s| (s.calls(), s.rollbacks)));
}
