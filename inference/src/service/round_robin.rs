//! A queue that serves people in turn.

use crate::request::Person;
use std::collections::VecDeque;

/// The queued jobs by person. Jobs without a person count as one person's.
pub(super) struct RoundRobin<J> {
    // INVARIANT: no person twice, and nobody without a job.
    people: VecDeque<(Option<Person>, VecDeque<J>)>,
}

impl<J> Default for RoundRobin<J> {
    fn default() -> Self {
        Self {
            people: VecDeque::new(),
        }
    }
}

impl<J> RoundRobin<J> {
    /// The number of jobs.
    pub(super) fn len(&self) -> usize {
        self.people.iter().map(|(_, jobs)| jobs.len()).sum()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.people.is_empty()
    }

    /// The number of jobs of one person.
    pub(super) fn count(&self, person: Option<&Person>) -> usize {
        let own = self.people.iter().find(|(who, _)| who.as_ref() == person);
        own.map_or(0, |(_, jobs)| jobs.len())
    }

    /// Adds a job behind this person's other jobs. A new person comes last.
    pub(super) fn push(&mut self, person: Option<Person>, job: J) {
        match self.people.iter_mut().find(|(who, _)| *who == person) {
            Some((_, jobs)) => jobs.push_back(job),
            None => self.people.push_back((person, VecDeque::from([job]))),
        }
    }

    /// Adds a job without a person before all others.
    pub(super) fn push_front(&mut self, job: J) {
        let own = self.people.iter().position(|(who, _)| who.is_none());
        let mut jobs = own
            .and_then(|at| self.people.remove(at))
            .map_or_else(VecDeque::new, |(_, jobs)| jobs);
        jobs.push_front(job);
        self.people.push_front((None, jobs));
    }

    /// The first job of the first person with the fewest `active` jobs, who then goes last.
    pub(super) fn pop(&mut self, active: &dyn Fn(Option<&Person>) -> usize) -> Option<J> {
        let people = self.people.iter().enumerate();
        let (at, _) = people.min_by_key(|(_, (who, _))| active(who.as_ref()))?;
        let (person, mut jobs) = self.people.remove(at)?;
        let job = jobs.pop_front();
        if !jobs.is_empty() {
            self.people.push_back((person, jobs));
        }
        job
    }

    /// Drops the jobs for which `wanted` is false.
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

    fn order(queue: &mut RoundRobin<u32>) -> Vec<u32> {
        std::iter::from_fn(|| queue.pop(&|_| 0)).collect()
    }

    #[test]
    fn a_person_with_many_jobs_does_not_delay_a_person_with_one() {
        let mut queue = RoundRobin::default();
        for job in 0..3 {
            queue.push(Some(person("ann")), job);
        }
        queue.push(Some(person("bob")), 10);
        queue.push(None, 20);
        queue.push(None, 21);
        assert_eq!((queue.len(), queue.count(Some(&person("ann")))), (6, 3));
        assert_eq!(order(&mut queue), [0, 10, 20, 1, 21, 2]);
        assert!(queue.is_empty());
    }

    #[test]
    fn a_person_with_an_active_job_comes_after_one_without() {
        let mut queue = RoundRobin::default();
        queue.push(Some(person("ann")), 0);
        queue.push(Some(person("bob")), 10);
        let ann = person("ann");
        let active = |who: Option<&Person>| usize::from(who == Some(&ann));
        assert_eq!(queue.pop(&active), Some(10));
        assert_eq!(queue.pop(&active), Some(0));
        assert_eq!(queue.pop(&active), None);
    }

    #[test]
    fn a_person_without_jobs_is_removed() {
        let mut queue = RoundRobin::default();
        queue.push(Some(person("ann")), 1);
        queue.push(Some(person("bob")), 2);
        queue.retain(|job| *job != 1);
        assert_eq!(queue.people.len(), 1);
        assert_eq!(order(&mut queue), [2]);
    }

    #[test]
    fn a_job_that_is_put_back_is_next() {
        let mut queue = RoundRobin::default();
        queue.push(Some(person("ann")), 1);
        queue.push(None, 2);
        queue.push_front(0);
        assert_eq!(order(&mut queue), [0, 1, 2]);
    }
}
