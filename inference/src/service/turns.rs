//! Jobs of several people, who take turns.

use crate::generator::Person;
use std::collections::VecDeque;

/// What waits, by whom; jobs of nobody in particular are one person's.
pub(super) struct Turns<J> {
    // INVARIANT: no person twice, and nobody without a job.
    people: VecDeque<(Option<Person>, VecDeque<J>)>,
}

impl<J> Default for Turns<J> {
    fn default() -> Self {
        Self {
            people: VecDeque::new(),
        }
    }
}

impl<J> Turns<J> {
    /// Jobs in all.
    pub(super) fn len(&self) -> usize {
        self.people.iter().map(|(_, jobs)| jobs.len()).sum()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.people.is_empty()
    }

    /// Jobs of one person.
    pub(super) fn of(&self, person: Option<&Person>) -> usize {
        let own = self.people.iter().find(|(who, _)| who.as_ref() == person);
        own.map_or(0, |(_, jobs)| jobs.len())
    }

    /// Adds a job behind the others of this person, who comes last if new.
    pub(super) fn push(&mut self, person: Option<Person>, job: J) {
        match self.people.iter_mut().find(|(who, _)| *who == person) {
            Some((_, jobs)) => jobs.push_back(job),
            None => self.people.push_back((person, VecDeque::from([job]))),
        }
    }

    /// Adds a job of nobody in particular before all others.
    pub(super) fn push_front(&mut self, job: J) {
        let own = self.people.iter().position(|(who, _)| who.is_none());
        let mut jobs = own
            .and_then(|at| self.people.remove(at))
            .unwrap_or_default()
            .1;
        jobs.push_front(job);
        self.people.push_front((None, jobs));
    }

    /// The first job of the first person for whom `busy` is least, who goes behind the others.
    pub(super) fn next(&mut self, busy: &dyn Fn(Option<&Person>) -> usize) -> Option<J> {
        let people = self.people.iter().enumerate();
        let (at, _) = people.min_by_key(|(_, (who, _))| busy(who.as_ref()))?;
        let (person, mut jobs) = self.people.remove(at)?;
        let job = jobs.pop_front();
        if !jobs.is_empty() {
            self.people.push_back((person, jobs));
        }
        job
    }

    /// Drops the jobs that `wanted` does not want.
    pub(super) fn retain(&mut self, wanted: impl Fn(&J) -> bool) {
        for (_, jobs) in &mut self.people {
            jobs.retain(&wanted);
        }
        self.people.retain(|(_, jobs)| !jobs.is_empty());
    }

    /// Drops every job.
    pub(super) fn clear(&mut self) {
        self.people.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person(name: &str) -> Person {
        Person(name.into())
    }

    fn order(turns: &mut Turns<u32>) -> Vec<u32> {
        std::iter::from_fn(|| turns.next(&|_| 0)).collect()
    }

    #[test]
    fn whoever_asked_much_does_not_hold_up_whoever_asked_once() {
        let mut turns = Turns::default();
        for job in 0..3 {
            turns.push(Some(person("ann")), job);
        }
        turns.push(Some(person("bob")), 10);
        turns.push(None, 20);
        turns.push(None, 21);
        assert_eq!((turns.len(), turns.of(Some(&person("ann")))), (6, 3));
        assert_eq!(order(&mut turns), [0, 10, 20, 1, 21, 2]);
        assert!(turns.is_empty());
    }

    #[test]
    fn whoever_is_being_served_comes_after_whoever_is_not() {
        let mut turns = Turns::default();
        turns.push(Some(person("ann")), 0);
        turns.push(Some(person("bob")), 10);
        let ann = person("ann");
        let busy = |who: Option<&Person>| usize::from(who == Some(&ann));
        assert_eq!(turns.next(&busy), Some(10));
        assert_eq!(turns.next(&busy), Some(0));
        assert_eq!(turns.next(&busy), None);
    }

    #[test]
    fn whoever_has_nothing_left_is_forgotten() {
        let mut turns = Turns::default();
        turns.push(Some(person("ann")), 1);
        turns.push(Some(person("bob")), 2);
        turns.retain(|job| *job != 1);
        assert_eq!(turns.people.len(), 1);
        assert_eq!(order(&mut turns), [2]);
    }

    #[test]
    fn what_is_put_back_is_next() {
        let mut turns = Turns::default();
        turns.push(Some(person("ann")), 1);
        turns.push(None, 2);
        turns.push_front(0);
        assert_eq!(order(&mut turns), [0, 1, 2]);
    }
}
