//! What is logged.

use cloister_domain::{Timestamp, UserId};
use serde::{Deserialize, Serialize};

macro_rules! kinds {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)*) => {
        /// What happened. The names are part of the log's format and are never changed.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum EventKind {
            $($(#[$doc])* #[serde(rename = $name)] $variant,)*
        }

        impl EventKind {
            /// Every kind, in the order of the documentation.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The kind's name in the log.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
        }
    };
}

kinds! {
    /// The appliance began to serve.
    ServiceStarted = "service.started",
    /// The appliance stopped in order.
    ServiceStopped = "service.stopped",
    /// The log was opened after a stop without order; what was not sealed is sealed now.
    AuditRecovered = "audit.recovered",
    /// Someone signed in, or tried to.
    SignedIn = "auth.signed-in",
    /// Someone signed out.
    SignedOut = "auth.signed-out",
    /// The one-time link made the first administrator.
    FirstAdministrator = "auth.first-administrator",
    /// A person was added.
    UserAdded = "user.added",
    /// A person's roles or state were changed.
    UserChanged = "user.changed",
    /// A person's password was set anew.
    PasswordChanged = "user.password-changed",
    /// A group was added.
    GroupAdded = "group.added",
    /// A group was removed.
    GroupRemoved = "group.removed",
    /// A person joined a group.
    GroupJoined = "group.joined",
    /// A person left a group.
    GroupLeft = "group.left",
    /// A collection was added.
    CollectionAdded = "collection.added",
    /// A collection's settings were changed.
    CollectionChanged = "collection.changed",
    /// A group may read a collection from now on.
    AccessGranted = "access.granted",
    /// A group may no longer read a collection.
    AccessRevoked = "access.revoked",
    /// Something was asked for without the right to it.
    AccessDenied = "access.denied",
    /// A file became searchable.
    DocumentPublished = "document.published",
    /// A file could not be read.
    DocumentQuarantined = "document.quarantined",
    /// A quarantined file is tried again.
    DocumentRetried = "document.retried",
    /// A file was moved; its history goes with it.
    DocumentMoved = "document.moved",
    /// A file is back where it was, with the bytes that it had; it answers again.
    DocumentRestored = "document.restored",
    /// A file that waited or was being read was set aside on an administrator's word.
    DocumentCancelled = "document.cancelled",
    /// Taking in files was paused.
    IngestionPaused = "ingestion.paused",
    /// Taking in files goes on.
    IngestionResumed = "ingestion.resumed",
    /// A file is gone from the inbox and no longer answers.
    DocumentRemoved = "document.removed",
    /// A question was asked, and these passages were retrieved and quoted; or it was refused.
    QuestionAnswered = "question.answered",
    /// A question was asked and refused, because the documents do not say.
    QuestionRefused = "question.refused",
    /// A sentence of the model was verified and shown.
    SentenceShown = "answer.sentence-shown",
    /// An answer ended: what was shown and what was withheld.
    AnswerEnded = "answer.ended",
    /// Passages were searched for without asking for an answer.
    Searched = "search.done",
    /// Someone opened an earlier conversation of theirs: these quotes were shown again.
    ConversationOpened = "conversation.opened",
    /// Someone deleted an earlier conversation of theirs; the log of it stays.
    ConversationDeleted = "conversation.deleted",
    /// A page was opened.
    PageOpened = "page.opened",
    /// The audit log was looked at.
    AuditViewed = "audit.viewed",
    /// The audit log was verified.
    AuditVerified = "audit.verified",
    /// Its asker said whether an answer helped.
    AnswerRated = "answer.rated",
    /// An answer was made again, to see whether it is the same.
    AnswerReplayed = "answer.replayed",
    /// The indexes were rebuilt from the rows.
    IndexRebuilt = "index.rebuilt",
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It was done.
    Success,
    /// It was tried and failed.
    Failure,
    /// It was not allowed.
    Denied,
}

/// Who did it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    /// The person's id, which is never used again. None for someone unknown or the machine itself.
    pub user: Option<UserId>,
    /// The name at the time.
    pub name: String,
}

impl Actor {
    /// The appliance itself.
    pub fn appliance() -> Self {
        Self {
            user: None,
            name: "appliance".into(),
        }
    }
}

impl From<&cloister_domain::Principal> for Actor {
    fn from(principal: &cloister_domain::Principal) -> Self {
        Self {
            user: Some(principal.user),
            name: principal.name.clone(),
        }
    }
}

/// Something that happened, before it has its place in the log.
#[derive(Clone, Debug)]
pub struct Event {
    /// What happened.
    pub kind: EventKind,
    /// How it ended.
    pub outcome: Outcome,
    /// Who did it.
    pub actor: Actor,
    /// Where it came from: an address, or `console`.
    pub origin: String,
    /// Joins the events of one request.
    pub request: Option<String>,
    /// What else an officer needs to know.
    pub detail: serde_json::Value,
}

impl Event {
    /// Something the appliance did of its own accord, and succeeded in.
    pub fn by_appliance(kind: EventKind, detail: serde_json::Value) -> Self {
        Self {
            kind,
            outcome: Outcome::Success,
            actor: Actor::appliance(),
            origin: "appliance".into(),
            request: None,
            detail,
        }
    }
}

/// An event in its place in the log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// The version of this format.
    pub v: u32,
    /// The place, counted from 0.
    pub seq: u64,
    /// When it was logged.
    pub at: Timestamp,
    /// What happened.
    pub kind: EventKind,
    /// How it ended.
    pub outcome: Outcome,
    /// Who did it.
    pub actor: Actor,
    /// Where it came from.
    pub origin: String,
    /// Joins the events of one request.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub request: Option<String>,
    /// What else an officer needs to know.
    pub detail: serde_json::Value,
}

impl Entry {
    pub(crate) const VERSION: u32 = 1;

    pub(crate) fn new(event: Event, seq: u64, at: Timestamp) -> Self {
        let Event {
            kind,
            outcome,
            actor,
            origin,
            request,
            detail,
        } = event;
        Self {
            v: Self::VERSION,
            seq,
            at,
            kind,
            outcome,
            actor,
            origin,
            request,
            detail,
        }
    }
}
