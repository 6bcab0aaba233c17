//! A small shop: its orders, refunds, mails and nightly work, with a run in every state there is.

use serde_json::json;
use temporal_code::Timestamp;
use temporal_code::workflows::{Call, Ending, Event, Outcome, Start};

use super::Result;
use super::events::{
    compensated, error, failed, log, looked_up, ok, reversible, revert, saved, saved_at_last, sleep, stumbled, value,
    wait, wake,
};
use super::run::{Act, FAR_US, Run, SECOND_US};

const WORKER: &str = "shop-1/4711";
const OTHER: &str = "shop-2/112";

const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;

/// The runs of the shop, and all that makes them.
pub(crate) struct Shop {
    base: Timestamp,
    /// The ids, in the order in which the runs are told.
    pub(crate) runs: Vec<String>,
    /// What is to be done, in order.
    pub(crate) acts: Vec<Act>,
}

impl Shop {
    /// All that happened in the two days before `base`.
    pub(crate) fn new(base: Timestamp) -> Result<Self> {
        let mut shop = Shop { base, runs: Vec::new(), acts: Vec::new() };
        shop.delivered()?;
        shop.open_orders()?;
        shop.taken_back()?;
        shop.greetings()?;
        shop.refunds()?;
        shop.sleepers()?;
        shop.generations()?;
        shop.hostile()?;
        shop.corrupt()?;
        Ok(shop)
    }

    /// So many seconds after the base time, or before it.
    fn at(&self, seconds: i64) -> Timestamp {
        self.base.offset_micros(seconds * SECOND_US)
    }

    /// A run that began so many seconds before the base time.
    fn start(&self, id: &str, workflow: &str, input: &serde_json::Value, ago: i64) -> Result<Run> {
        let request = Some(format!("request of {id}").into());
        let start = Start { id: request, ..Start::new(id.to_owned(), workflow.to_owned(), value(input)?) };
        Run::start(self.at(-ago), start, None)
    }

    /// The same, and a worker holds it.
    fn held(&self, id: &str, workflow: &str, input: &serde_json::Value, ago: i64) -> Result<Run> {
        let mut run = self.start(id, workflow, input, ago)?;
        run.claim(WORKER)?;
        Ok(run)
    }

    /// The story of a run is told.
    fn told(&mut self, run: Run) {
        self.runs.push(run.state().run().to_owned());
        self.acts.extend(run.into_acts());
    }

    /// An order with all that an order has: attempts, a sleep, a message, log lines and a child.
    fn delivered(&mut self) -> Result<()> {
        let input = json!({ "item": "book", "pieces": 1, "amount": 12.5 });
        let mut order = self.held("order-1", "order", &input, 47 * HOUR)?;
        let no_answer = error("Timeout", "no answer within 5 s")?;
        let events = vec![
            looked_up("now", &json!(order.now().to_string()))?,
            reversible(saved("reserve", &json!({ "shelf": "B4" }), 12)?),
            log(1, "info", "reserved"),
            reversible(stumbled("charge", 1, no_answer, order.in_seconds(7))),
        ];
        order.commit(events)?;
        order.pass(2);
        let receipt = json!({ "receipt": "R-1041", "amount": 12.5 });
        order.commit(vec![reversible(saved_at_last("charge", 2, &receipt)?), log(2, "info", "charged")])?;
        let start = Start::new("order-1/ship/1", "ship", value(&json!(["book"]))?);
        let mut ship = order.begin_child(Call::new("ship", 1), start)?;
        let until = order.in_seconds(600);
        order.release(vec![sleep("pack", until)])?;

        ship.claim(OTHER)?;
        ship.commit(vec![saved("label", &json!("JD-0001"), 311)?, log(1, "info", "label printed")])?;
        let until = ship.in_seconds(2 * HOUR);
        ship.release(vec![sleep("collect", until)])?;

        order.pass(601);
        order.claim(OTHER)?;
        order.release(vec![wake("pack"), wait("handover", &["handed over"], None)])?;
        order.pass(300);
        order.send("handed over", value(&json!({ "by": "Ada" }))?, "till-1")?;
        ship.pass(2 * HOUR + 1);
        ship.claim(WORKER)?;
        order.claim(WORKER)?;
        let taken = order.take();
        order.release(taken)?;
        order.end_child(Call::new("ship", 1), ship, vec![wake("collect")], ok(&json!("shipped"))?)?;
        order.claim(WORKER)?;
        let mut events = order.take();
        events.push(log(3, "info", "delivered"));
        order.stop(events, ok(&json!({ "receipt": "R-1041", "shipped": true }))?)?;
        self.told(order);
        self.runs.push("order-1/ship/1".to_owned());
        Ok(())
    }

    /// Orders that go on.
    fn open_orders(&mut self) -> Result<()> {
        let mut order = self.held("order-2", "order", &json!({ "item": "lamp", "amount": 49 }), 26 * HOUR)?;
        order.commit(vec![reversible(saved("charge", &json!({ "receipt": "R-1042" }), 96)?)])?;
        let start = Start::new("order-2/ship/1", "ship", value(&json!(["lamp"]))?);
        let mut ship = order.begin_child(Call::new("ship", 1), start)?;
        order.release(Vec::new())?;
        ship.claim(OTHER)?;
        ship.release(vec![saved("label", &json!("JD-0002"), 298)?, sleep("collect", self.at(3 * DAY))])?;
        self.told(order);
        self.told(ship);

        let mut order = self.start("order-3", "order", &json!({ "item": "desk", "amount": 310 }), 180)?;
        order.claim_until(WORKER, self.base.offset_micros(FAR_US))?;
        let reserved = reversible(saved("reserve", &json!({ "shelf": "F1" }), 15)?);
        order.commit(vec![looked_up("uuid4", &json!("8a6e0804-2bd0-4672-b79d-d97027f9071a"))?, reserved])?;
        order.commit(vec![log(1, "warning", "only one left")])?;
        self.told(order);

        let mut order = self.held("order-4", "order", &json!({ "item": "chair", "amount": 80 }), 5 * HOUR)?;
        order.release(vec![wait("payment", &["paid", "changed"], Some(self.at(DAY)))])?;
        order.pass(HOUR);
        order.send("comment", value(&json!("Is it red?"))?, "customer")?;
        // A worker comes, and the run has no use for it.
        order.look();
        self.told(order);

        let mut order = self.held("order-6", "order", &json!({ "item": "rug", "amount": 120 }), 9 * HOUR)?;
        order.release(vec![wait("payment", &["paid"], None)])?;
        order.pass(9 * HOUR - 130);
        order.ask_to_cancel("changed my mind", "customer")?;
        self.told(order);

        let order = self.start("order-7", "order", &json!({ "item": "pen", "amount": 2 }), 20)?;
        self.told(order);

        let mut order = self.held("order-8", "order", &json!({ "item": "vase", "amount": 35 }), 2 * HOUR)?;
        order.release(vec![wait("payment", &["paid"], Some(self.at(2 * DAY)))])?;
        order.pass(2 * HOUR - 20);
        order.send("paid", value(&json!(35))?, "bank")?;
        self.told(order);
        Ok(())
    }

    /// Orders of which something is, or was, taken back.
    fn taken_back(&mut self) -> Result<()> {
        let steps = || -> Result<Vec<Event<'static>>> {
            let reserved = reversible(saved("reserve", &json!({ "shelf": "A9" }), 14)?);
            Ok(vec![reserved, reversible(saved("charge", &json!({ "receipt": "R-1039" }), 102)?)])
        };
        let mut order = self.held("order-5", "order", &json!({ "item": "mirror", "amount": 60 }), 30 * HOUR)?;
        order.commit(steps()?)?;
        let broken = error("Broken", "the mirror is in pieces")?;
        order.commit(vec![failed("pack", broken.clone()), revert(broken.clone()), compensated("charge")])?;
        order.stop(vec![compensated("reserve"), log(1, "error", "taken back")], Ending::Failed(broken))?;
        self.told(order);

        let mut order = self.held("order-9", "order", &json!({ "item": "clock", "amount": 75 }), 400)?;
        order.commit(steps()?)?;
        let busy = Outcome::Retry { error: error("Busy", "the bank does not answer")?, at: self.at(6 * 60) };
        let compensation = Event::Compensation { call: Call::new("charge", 1), attempt: 1, outcome: busy };
        order.release(vec![revert(error("Lost", "the clock is not in A9")?), compensation])?;
        self.told(order);

        let mut order = self.held("order-10", "order", &json!({ "item": "sofa", "amount": 900 }), 20 * HOUR)?;
        let mut events = steps()?;
        events.push(wait("delivery date", &["date"], None));
        order.release(events)?;
        order.pass(3 * HOUR);
        order.ask_to_cancel("found a cheaper one", "customer")?;
        order.claim(OTHER)?;
        let mut events = order.take();
        events.push(revert(error("Cancelled", "found a cheaper one")?));
        order.commit(events)?;
        let ending = Ending::Cancelled(Some("found a cheaper one".into()));
        order.stop(vec![compensated("charge"), compensated("reserve")], ending)?;
        self.told(order);
        Ok(())
    }

    /// Runs that wait for a message, or waited.
    fn greetings(&mut self) -> Result<()> {
        let mut greet = self.held("greet-1", "greet", &json!("Ada"), 90 * 60)?;
        greet.release(vec![saved("compose", &json!("Hello, Ada"), 3)?, wait("permission", &["allow"], None)])?;
        self.told(greet);

        let mut greet = self.held("greet-2", "greet", &json!("Zoë"), 31 * HOUR)?;
        greet.release(vec![saved("compose", &json!("Hello, Zoë"), 4)?, wait("permission", &["allow"], None)])?;
        greet.pass(17 * 60);
        greet.send("allow", value(&json!(true))?, "tc")?;
        greet.claim(OTHER)?;
        let taken = greet.take();
        greet.stop(taken, ok(&json!("Hello, Zoë"))?)?;
        self.told(greet);

        // The comment comes before anybody waits for one.
        let start = Start { queue: "mail".into(), ..Start::new("survey-1", "survey", value(&json!({ "to": "Ada" }))?) };
        let mut survey = Run::start(self.at(-7 * HOUR), start, None)?;
        survey.send("comment", value(&json!("too many mails"))?, "customer")?;
        survey.claim("mail-1/77")?;
        let mut events = survey.take();
        events.extend([saved("mail", &json!({ "id": 17 }), 230)?, wait("answer", &["answer"], Some(self.at(6 * DAY)))]);
        survey.release(events)?;
        self.told(survey);
        Ok(())
    }

    fn refunds(&mut self) -> Result<()> {
        let mut refund = self.held("refund-1", "refund", &json!({ "receipt": "R-1040" }), 90)?;
        let refused = || error("HttpError", "503 Service Unavailable");
        refund.commit(vec![stumbled("pay back", 1, refused()?, refund.in_seconds(10))])?;
        refund.pass(5);
        refund.release(vec![stumbled("pay back", 2, refused()?, self.at(7 * 60))])?;
        self.told(refund);

        let mut refund = self.held("refund-2", "refund", &json!({ "receipt": "R-0007" }), 12 * HOUR)?;
        let unknown = error("NotFound", "there is no receipt R-0007")?;
        refund.stop(vec![failed("look up", unknown.clone())], Ending::Failed(unknown))?;
        self.told(refund);

        let mut refund = self.held("refund-3", "refund", &json!({ "receipt": "R-1038" }), 600)?;
        refund.commit(vec![saved("look up", &json!({ "amount": 18 }), 21)?])?;
        refund.put_off(
            self.at(HOUR),
            error("Diverged", "`look up#1` is a save in the history, and a sleep in the code")?,
        )?;
        self.told(refund);
        Ok(())
    }

    fn sleepers(&mut self) -> Result<()> {
        let mut remind = self.held("remind-1", "remind", &json!({ "to": "Ada", "days": 7 }), 40 * HOUR)?;
        remind.release(vec![sleep("week", self.at(5 * DAY))])?;
        self.told(remind);

        let mut remind = self.held("remind-2", "remind", &json!({ "to": "Zoë", "days": 7 }), 39 * HOUR)?;
        remind.release(vec![sleep("week", self.at(5 * DAY))])?;
        remind.pass(11 * HOUR);
        remind.ask_to_cancel("not needed any more", "tc")?;
        remind.claim(WORKER)?;
        let taken = remind.take();
        remind.stop(taken, Ending::Cancelled(Some("not needed any more".into())))?;
        self.told(remind);
        Ok(())
    }

    /// Runs that went on in another generation.
    fn generations(&mut self) -> Result<()> {
        let mut report = self.held("nightly-report", "nightly-report", &json!({ "night": 1 }), 47 * HOUR)?;
        for (night, sold) in [(1, 41), (2, 38)] {
            report.commit(vec![saved("count", &json!({ "sold": sold }), 1_893)?])?;
            report.continue_using(vec![log(1, "info", "reported")], value(&json!({ "night": night + 1 }))?)?;
            report.claim(OTHER)?;
            if night == 1 {
                report.release(vec![sleep("night", report.in_seconds(DAY))])?;
                report.pass(DAY);
                report.claim(OTHER)?;
                report.commit(vec![wake("night")])?;
            }
        }
        report.release(vec![sleep("night", self.at(22 * HOUR))])?;
        self.told(report);

        let mut subscription = self.held("subscription-1", "subscription", &json!({ "month": 1 }), 33 * HOUR)?;
        subscription.continue_using(
            vec![saved("charge", &json!({ "receipt": "R-0990" }), 88)?],
            value(&json!({ "month": 2 }))?,
        )?;
        subscription.claim(WORKER)?;
        subscription.stop(vec![saved("charge", &json!({ "receipt": "R-1044" }), 91)?], ok(&json!({ "months": 2 }))?)?;
        self.told(subscription);

        for (id, forget, ends) in [("stock-1", false, true), ("stock-2", true, false)] {
            let mut stock = self.held(id, "stock", &json!({ "shelf": "C3" }), 28 * HOUR)?;
            stock.send("counted", value(&json!(11))?, "till-2")?;
            stock.turn()?;
            stock.send("counted", value(&json!(12))?, "till-1")?;
            let open = saved("open", &json!({ "count": id }), 7)?;
            stock.commit(vec![open, wait("count", &["counted"], None)])?;
            let taken = stock.take();
            stock.commit(taken)?;
            stock.compact(WORKER, forget)?;
            if ends {
                stock.stop(vec![saved("sum", &json!(11), 2)?], ok(&json!({ "shelf": "C3", "pieces": 11 }))?)?;
            } else {
                stock.release(vec![wait("delivery", &["delivered"], None)])?;
            }
            self.told(stock);
        }
        Ok(())
    }

    /// Texts that want to do something to whoever reads them.
    fn hostile(&mut self) -> Result<()> {
        let long = "There is no end to it. ".repeat(150);
        let texts = json!({
            "title": "\u{1b}]0;owned\u{7}\u{1b}[2J\u{1b}[31mred\u{9b}1m",
            "name": "gpj.\u{202e}exe.\u{2066}txt\u{200f}",
            "lines": "one\r\ntwo\tthree\u{0}\u{85}four\u{2028}five",
            "wide": "商店 🏪🏽 e\u{301}",
            "long": long,
        });
        let mut run = self.held("café 12/küche № 7", "größe ändern\u{1b}[7m", &texts, 3 * HOUR)?;
        let step = "\u{202e}pets";
        let events = vec![
            saved(step, &texts, 5)?,
            log(1, "info\u{1b}[5m", "\u{1b}[1A\u{1b}[2Kall is well\r\u{8}\u{8}"),
            wait("\u{1b}[32mgreen", &["allow\u{202e}ton", "\u{1b}[31mred\n", "a, b"], None),
        ];
        run.release(events)?;
        run.pass(HOUR);
        run.send("\u{1b}[31mnobody waits for this", value(&texts["title"])?, "\u{202e}moc.elpmaxe")?;
        run.look();
        self.told(run);

        let mut run = self.held("order-11 \u{202e}1-redro\u{2069}\n\u{1b}[31m", "order", &json!(null), 2 * HOUR)?;
        let message = format!("card declined\n\u{1b}[2Jall \u{202e}doog\nhint: {long}");
        let refused = error("\u{1b}[41mDeclined", &message)?;
        run.stop(vec![failed("charge", refused.clone())], Ending::Failed(refused))?;
        self.told(run);
        Ok(())
    }

    /// A run that began twice, which no worker of the protocol writes.
    fn corrupt(&mut self) -> Result<()> {
        let mut run = self.held("import-13", "import", &json!({ "file": "stock.csv" }), 15 * HOUR)?;
        run.commit(vec![saved("read", &json!({ "rows": 4_100 }), 3_120)?])?;
        let at = run.now();
        let again = json!({
            "at": at.to_string(), "type": "start", "v": 1, "run": "import-13", "workflow": "import", "queue": "default",
            "input": { "file": "stock.csv" },
        });
        run.spoil(&again.to_string())?;
        self.told(run);
        Ok(())
    }
}
